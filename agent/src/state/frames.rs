//! Records one after the other in a file, each with its length and a checksum.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a file begins with: the format's name and version. Another layout of what is in a record is another version.
pub(super) const MAGIC: [u8; 8] = *b"prony\0\0\x01";

/// Length and checksum, four bytes each, the lowest first.
const HEAD: usize = 8;

/// The record as it is appended to a file.
pub(super) fn encode(record: &impl Serialize) -> postcard::Result<Vec<u8>> {
    let mut frame = postcard::to_extend(record, vec![0; HEAD])?;
    let length = (frame.len() - HEAD) as u32;
    let checksum = crc32fast::hash(&frame[HEAD..]);
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..HEAD].copy_from_slice(&checksum.to_le_bytes());
    Ok(frame)
}

/// What is in a file.
#[derive(Debug)]
pub(super) struct Decoded<Record> {
    /// The records up to the first that is damaged.
    pub(super) records: Vec<Record>,
    /// How many bytes after them are of no use: where a machine has lost its power, a part of a record at the end.
    pub(super) rest: usize,
}

/// Reads a file; `None` for one that has another version, or is none of ours.
pub(super) fn decode<Record: DeserializeOwned>(bytes: &[u8]) -> Option<Decoded<Record>> {
    let mut rest = bytes.strip_prefix(&MAGIC)?;
    let mut records = Vec::new();
    while let Some((record, after)) = first(rest) {
        records.push(record);
        rest = after;
    }
    Some(Decoded { records, rest: rest.len() })
}

fn first<Record: DeserializeOwned>(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (length, after) = bytes.split_first_chunk::<4>()?;
    let (checksum, after) = after.split_first_chunk::<4>()?;
    let (payload, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let intact = crc32fast::hash(payload) == u32::from_le_bytes(*checksum);
    let record = intact.then(|| postcard::from_bytes(payload).ok()).flatten()?;
    Some((record, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(records: &[(u64, String)]) -> Vec<u8> {
        let frames = records.iter().map(|record| encode(record).unwrap());
        MAGIC.into_iter().chain(frames.flatten()).collect()
    }

    proptest! {
        #[test]
        fn records_are_read_as_they_were_written(records in prop::collection::vec(any::<(u64, String)>(), 0..9)) {
            let decoded = decode::<(u64, String)>(&file(&records)).unwrap();
            prop_assert_eq!((decoded.records, decoded.rest), (records, 0));
        }

        #[test]
        fn of_a_file_that_was_cut_off_the_whole_records_are_left(
            records in prop::collection::vec(any::<(u64, String)>(), 1..9),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = file(&records);
            let cut = MAGIC.len() + cut.index(whole.len() - MAGIC.len());
            let decoded = decode::<(u64, String)>(&whole[..cut]).unwrap();
            prop_assert!(decoded.records.len() < records.len());
            prop_assert_eq!(&decoded.records[..], &records[..decoded.records.len()]);
        }

        #[test]
        fn a_damaged_record_is_not_taken(
            records in prop::collection::vec(any::<(u64, String)>(), 1..9),
            place in any::<prop::sample::Index>(),
            flipped in 1_u8..,
        ) {
            let mut bytes = file(&records);
            let place = MAGIC.len() + place.index(bytes.len() - MAGIC.len());
            bytes[place] ^= flipped;
            let decoded = decode::<(u64, String)>(&bytes).unwrap();
            prop_assert!(decoded.rest > 0);
            prop_assert_eq!(&decoded.records[..], &records[..decoded.records.len()]);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let with_magic: Vec<u8> = MAGIC.into_iter().chain(bytes.iter().copied()).collect();
            decode::<(u64, String)>(&bytes);
            decode::<(u64, String)>(&with_magic);
        }
    }

    #[test]
    fn another_version_is_not_read() {
        let mut bytes = file(&[(7, "x".into())]);
        bytes[7] += 1;
        assert!(decode::<(u64, String)>(&bytes).is_none());
    }
}
