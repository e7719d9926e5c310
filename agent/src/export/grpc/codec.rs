//! Messages that were encoded before they reach the stream.

use bytes::{BufMut, Bytes};
use prony_proto::energy::v1::{WatchRequest, WatchResponse};
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic_prost::ProstCodec;

/// One message to one subscriber: an encoded [`WatchResponse`] that many share, and what is this subscriber's own.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Goes to `WatchResponse.missed`.
    pub(super) missed: u64,
    /// The rest of the message.
    pub(super) body: Bytes,
}

/// The codec of `Energy.Watch`, seen from the server.
#[derive(Debug, Default)]
pub(super) struct FrameCodec;

/// Writes frames.
#[derive(Debug, Default)]
pub(super) struct FrameEncoder;

impl Codec for FrameCodec {
    type Encode = Frame;
    type Decode = WatchRequest;
    type Encoder = FrameEncoder;
    type Decoder = <ProstCodec<WatchResponse, WatchRequest> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        FrameEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<WatchResponse, WatchRequest>::default().decoder()
    }
}

impl Encoder for FrameEncoder {
    type Item = Frame;
    type Error = Status;

    /// Two encoded messages one after the other are one message with the fields of both
    /// (protobuf.dev, "Encoding: Last One Wins").
    fn encode(&mut self, frame: Frame, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        if frame.missed > 0 {
            out.put_slice(&WatchResponse { missed: frame.missed, ..Default::default() }.encode_to_vec());
        }
        out.put_slice(&frame.body);
        Ok(())
    }
}
