//! The frame around every message of protocol v2: what tells it from anything else, and who it is from.
//!
//! ```text
//! 0        3         4      5       6                8
//! | 7f 50 4d | version | kind | flags | payload length | payload ... | tag (32 bytes, if flags & 1)
//! ```

use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// `\x7fPM`. No protobuf message begins with 0x7f (there is no wire type 7), and no v1 request does.
const MAGIC: [u8; 3] = [0x7f, b'P', b'M'];
const VERSION: u8 = 2;
const HEADER: usize = 8;
const TAG: usize = 32;
const AUTHENTICATED: u8 = 1;
/// The longest datagram: what IPv6 carries anywhere without fragments (RFC 8200: 1280 - 40 - 8).
pub const LONGEST_DATAGRAM: usize = 1232;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request, from a client to a meter.
    Request = 1,
    /// A report, from a meter to a client.
    Report = 2,
}

/// A pre-shared key for HMAC-SHA-256.
#[derive(Clone)]
pub struct Key(Vec<u8>);

/// Why a datagram is no frame, or none to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It does not begin like a frame.
    #[error("it is not a frame of protocol v2: is this a v2 meter's port?")]
    NotAFrame,
    /// It is of another version.
    #[error("it is of protocol version {0}, and this is version {VERSION}")]
    Version(u8),
    /// It is of another kind, or goes the wrong way.
    #[error("it is of kind {0}, which does not belong here")]
    Kind(u8),
    /// It has flags that this version does not know.
    #[error("it has the flags {0:#04x}, which this version does not know")]
    Flags(u8),
    /// It is longer or shorter than it says.
    #[error("it has {actual} bytes and says {stated}")]
    Length {
        /// How long it should be.
        stated: usize,
        /// How long it is.
        actual: usize,
    },
    /// It has no tag, and a key was given.
    #[error("it is not authenticated, and a key is configured: give the meter the key")]
    NotAuthenticated,
    /// It has a tag, and no key was given.
    #[error("it is authenticated, and no key is configured: set key_file to the meter's key")]
    NoKey,
    /// Its tag is not of this key.
    #[error("its tag does not fit: the meter has another key, or somebody changed the datagram")]
    WrongTag,
}

/// Puts a message into a frame.
pub fn seal(kind: Kind, payload: &[u8], key: Option<&Key>) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER + payload.len() + TAG);
    frame.extend(MAGIC);
    frame.extend([VERSION, kind as u8, if key.is_some() { AUTHENTICATED } else { 0 }]);
    frame.extend(u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes());
    frame.extend(payload);
    if let Some(key) = key {
        let tag = key.mac(&frame).finalize().into_bytes();
        frame.extend(tag);
    }
    frame
}

/// Takes the message out of a frame of this kind. With a key, only frames with its tag are taken; without one, only
/// frames without a tag.
pub fn open<'a>(kind: Kind, datagram: &'a [u8], key: Option<&Key>) -> Result<&'a [u8], FrameError> {
    let (header, rest) = datagram.split_at_checked(HEADER).ok_or(FrameError::NotAFrame)?;
    let (magic, fields) = header.split_at(MAGIC.len());
    let &[version, found, flags, high, low] = fields else { return Err(FrameError::NotAFrame) };
    if magic != MAGIC {
        return Err(FrameError::NotAFrame);
    }
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    if found != kind as u8 {
        return Err(FrameError::Kind(found));
    }
    if flags & !AUTHENTICATED != 0 {
        return Err(FrameError::Flags(flags));
    }
    let authenticated = flags & AUTHENTICATED != 0;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let stated = HEADER + length + if authenticated { TAG } else { 0 };
    if datagram.len() != stated {
        return Err(FrameError::Length { stated, actual: datagram.len() });
    }
    let (payload, tag) = rest.split_at(length);
    match (key, authenticated) {
        (None, false) => Ok(payload),
        (None, true) => Err(FrameError::NoKey),
        (Some(_), false) => Err(FrameError::NotAuthenticated),
        // In constant time.
        (Some(key), true) => match key.mac(&datagram[..HEADER + length]).verify_slice(tag) {
            Ok(()) => Ok(payload),
            Err(_) => Err(FrameError::WrongTag),
        },
    }
}

impl Key {
    /// The shortest key taken, in bytes.
    pub const SHORTEST: usize = 16;
    /// The longest key taken, in bytes: one block of SHA-256.
    pub const LONGEST: usize = 64;

    /// Reads a key file: 32 to 128 hexadecimal digits, for example from `openssl rand -hex 32`.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            format!("cannot read the key file {}: {error}; `openssl rand -hex 32` makes a key", path.display())
        })?;
        Self::from_hex(text.trim()).ok_or_else(|| {
            format!(
                "the key file {} has to hold {} to {} hexadecimal digits: `openssl rand -hex 32` makes a key",
                path.display(),
                2 * Self::SHORTEST,
                2 * Self::LONGEST
            )
        })
    }

    /// The key that these hexadecimal digits stand for.
    pub fn from_hex(digits: &str) -> Option<Self> {
        let nibbles = digits.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
        let bytes = nibbles.chunks(2).map(|pair| match pair {
            [high, low] => u8::try_from(high << 4 | low).ok(),
            _ => None,
        });
        let bytes = bytes.collect::<Option<Vec<_>>>()?;
        (Self::SHORTEST..=Self::LONGEST).contains(&bytes.len()).then_some(Self(bytes))
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        // A key of at most one block is used as it is (RFC 2104), so that every length is valid.
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0).unwrap_or_else(|_| unreachable!());
        mac.update(bytes);
        mac
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> Key {
        Key(vec![byte; 32])
    }

    #[test]
    fn only_the_right_key_opens_and_no_byte_can_be_changed() {
        let frame = seal(Kind::Report, b"payload", Some(&key(1)));
        assert_eq!(open(Kind::Report, &frame, Some(&key(1))), Ok(&b"payload"[..]));
        assert_eq!(open(Kind::Report, &frame, Some(&key(2))), Err(FrameError::WrongTag));
        assert_eq!(open(Kind::Report, &frame, None), Err(FrameError::NoKey));
        assert_eq!(
            open(Kind::Report, &seal(Kind::Report, b"payload", None), Some(&key(1))),
            Err(FrameError::NotAuthenticated)
        );
        for position in 0..frame.len() {
            let mut changed = frame.clone();
            changed[position] ^= 1;
            assert!(open(Kind::Report, &changed, Some(&key(1))).is_err(), "byte {position}");
        }
    }

    #[test]
    fn keys_are_16_to_64_bytes_in_hex_and_never_printed() {
        assert!(Key::from_hex(&"0f".repeat(15)).is_none());
        assert!(Key::from_hex(&"0f".repeat(16)).is_some());
        assert!(Key::from_hex(&"0F".repeat(64)).is_some());
        assert!(Key::from_hex(&"0f".repeat(65)).is_none());
        assert!(Key::from_hex(&"0g".repeat(32)).is_none());
        assert!(Key::from_hex(&"0f0".repeat(33)).is_none());
        assert_eq!(format!("{:?}", key(7)), "Key(..)");
    }

    #[test]
    fn neither_protocol_takes_the_others_datagrams() {
        let frame = seal(Kind::Request, b"", None);
        assert!(crate::source::esp32::wire::decode(&frame).is_err());
        for request in [&b"3"[..], b"3\0", b"", b"\x08\xc0\x84\x3d\x11\0\0\0\0\0\x8e\x12\x41"] {
            assert_eq!(open(Kind::Report, request, None), Err(FrameError::NotAFrame));
        }
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_and_whatever_comes_is_survived(
            payload in prop::collection::vec(any::<u8>(), 0..200),
            noise in prop::collection::vec(any::<u8>(), 0..200),
            cut in 0_usize..200,
        ) {
            for key in [None, Some(key(9))] {
                let frame = seal(Kind::Request, &payload, key.as_ref());
                prop_assert_eq!(open(Kind::Request, &frame, key.as_ref()), Ok(&payload[..]));
                prop_assert!(open(Kind::Report, &frame, key.as_ref()).is_err());
                if cut < frame.len() {
                    prop_assert!(open(Kind::Request, &frame[..cut], key.as_ref()).is_err());
                }
                let _ = open(Kind::Report, &noise, key.as_ref());
            }
        }
    }
}
