//! What hubs share, and when they end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use prony_proto::energy::v1 as pb;
use prost::Message;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::books::{Books, WINDOW};
use super::mirror::Mirror;
use crate::export::grpc::codec::Frame;
use crate::export::grpc::hub::Wish;
use crate::export::grpc::hubs::{Hubs, MAX_SUBSCRIBERS, MAX_WISHES};
use crate::export::grpc::pace::Pace;
use crate::export::grpc::pictures::Pictures;
use crate::export::grpc::selection::Selection;

const PATIENCE: Duration = Duration::from_secs(10);

fn hubs(books: &Books, shutdown: &CancellationToken) -> Arc<Hubs> {
    let pictures = Pictures::new(books.handle(), Pace::new(WINDOW, false), 1);
    Arc::new(Hubs::new(pictures, 4, shutdown.clone()))
}

fn wish(pid: Option<u32>) -> Wish {
    let filter = pb::Filter { pid, ..Default::default() };
    let selection = Selection::new(pb::Granularity::Process as i32, Some(filter)).expect("good");
    let window = prost_types::Duration { seconds: 0, nanos: 1 };
    Wish { selection, stride: Pace::new(WINDOW, false).grant(Some(window)).expect("good") }
}

async fn next(stream: &mut (impl Stream<Item = Result<Frame, Status>> + Unpin)) -> Frame {
    tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time").expect("not ended").expect("no error")
}

fn decode(frame: &Frame) -> pb::WatchResponse {
    pb::WatchResponse::decode(frame.body.clone()).expect("what we encode can be decoded")
}

#[tokio::test]
async fn subscribers_with_the_same_wish_share_the_encoded_bytes() {
    let books = Books::new();
    books.start(1, "a", "/a");
    books.close_window(&[(1, 1)]);
    let shutdown = CancellationToken::new();
    let hubs = hubs(&books, &shutdown);
    let mut one = pin!(hubs.subscribe(wish(None)).await.expect("room"));
    let mut two = pin!(hubs.subscribe(wish(None)).await.expect("room"));
    assert_eq!(hubs.count(), 1);
    for round in 0..5 {
        let (first, second) = (next(&mut one).await, next(&mut two).await);
        assert_eq!(first.body.as_ptr(), second.body.as_ptr(), "round {round}");
        assert_eq!(decode(&first).whole, round == 0);
        books.close_window(&[(1, 1)]);
    }
}

#[tokio::test]
async fn who_comes_later_gets_a_whole_picture_and_then_the_same_messages() {
    let books = Books::new();
    books.start(1, "a", "/a");
    books.start(2, "b", "/b");
    books.close_window(&[(1, 1), (2, 1)]);
    let shutdown = CancellationToken::new();
    let hubs = hubs(&books, &shutdown);
    let mut early = pin!(hubs.subscribe(wish(None)).await.expect("room"));
    let mut mirror = Mirror::default();
    mirror.apply(&decode(&next(&mut early).await));
    books.close_window(&[(1, 5)]);
    mirror.apply(&decode(&next(&mut early).await));

    let mut late = pin!(hubs.subscribe(wish(None)).await.expect("room"));
    let mut second = Mirror::default();
    second.apply(&decode(&next(&mut late).await));
    assert_eq!(second, mirror);
    books.close_window(&[(2, 5)]);
    mirror.apply(&decode(&next(&mut early).await));
    second.apply(&decode(&next(&mut late).await));
    assert_eq!(second, mirror);
}

#[tokio::test]
async fn who_lags_is_told_how_many_and_starts_from_a_whole_picture() {
    let books = Books::new();
    books.start(1, "a", "/a");
    books.close_window(&[(1, 1)]);
    let shutdown = CancellationToken::new();
    let hubs = hubs(&books, &shutdown);
    let mut slow = pin!(hubs.subscribe(wish(None)).await.expect("room"));
    let mut quick = pin!(hubs.subscribe(wish(None)).await.expect("room"));
    next(&mut quick).await;
    let mut mirror = Mirror::default();
    mirror.apply(&decode(&next(&mut slow).await));
    for _ in 0..10 {
        books.close_window(&[(1, 1)]);
        next(&mut quick).await;
    }
    let frame = next(&mut slow).await;
    assert_eq!(frame.missed, 10);
    let message = decode(&frame);
    assert!(message.whole);
    mirror.apply(&message);
    assert_eq!(mirror.lines["1@/a"].cpu_nanoseconds, 11_000);
    books.close_window(&[(1, 1)]);
    let frame = next(&mut slow).await;
    assert_eq!((frame.missed, decode(&frame).whole), (0, false));
}

#[tokio::test]
async fn zones_that_change_places_are_followed_by_a_whole_picture() {
    let books = Books::new();
    books.start(1, "a", "/a");
    books.close_window(&[(1, 1)]);
    let shutdown = CancellationToken::new();
    let hubs = hubs(&books, &shutdown);
    let mut stream = pin!(hubs.subscribe(wish(None)).await.expect("room"));
    next(&mut stream).await;
    books.add_zone();
    let message = decode(&next(&mut stream).await);
    assert!(message.whole);
    Mirror::default().apply(&message);
}

#[tokio::test]
async fn a_hub_ends_with_its_last_subscriber() {
    let books = Books::new();
    books.close_window(&[]);
    let shutdown = CancellationToken::new();
    let hubs = hubs(&books, &shutdown);
    let one = hubs.subscribe(wish(None)).await.expect("room");
    let two = hubs.subscribe(wish(None)).await.expect("room");
    let other = hubs.subscribe(wish(Some(7))).await.expect("room");
    assert_eq!(hubs.count(), 2);
    drop(one);
    assert_eq!(hubs.count(), 2);
    drop(two);
    drop(other);
    assert_eq!(hubs.count(), 0);
}

#[tokio::test]
async fn too_many_wishes_or_subscribers_are_refused_by_the_limits_name() {
    let books = Books::new();
    books.close_window(&[]);
    let shutdown = CancellationToken::new();
    let hubs = hubs(&books, &shutdown);
    let mut held = Vec::new();
    for pid in 0..MAX_WISHES {
        held.push(hubs.subscribe(wish(Some(pid as u32))).await.expect("room"));
    }
    let refused = hubs.subscribe(wish(None)).await.err().expect("no room");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains(&format!("{MAX_WISHES} different requests")), "{refused}");
    while held.len() < MAX_SUBSCRIBERS {
        held.push(hubs.subscribe(wish(Some(0))).await.expect("room"));
    }
    let refused = hubs.subscribe(wish(Some(0))).await.err().expect("no room");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains(&format!("{MAX_SUBSCRIBERS} subscribers")), "{refused}");
    held.pop();
    held.push(hubs.subscribe(wish(Some(0))).await.expect("room again"));
}

#[tokio::test]
async fn the_agents_end_ends_the_streams() {
    let books = Books::new();
    books.close_window(&[]);
    let shutdown = CancellationToken::new();
    let hubs = hubs(&books, &shutdown);
    let mut stream = pin!(hubs.subscribe(wish(None)).await.expect("room"));
    next(&mut stream).await;
    shutdown.cancel();
    let end = tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time").expect("an end with a reason");
    assert_eq!(end.expect_err("an end").code(), Code::Unavailable);
    assert!(tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time").is_none());
}

#[tokio::test]
async fn held_books_are_shown_at_full_seconds_only() {
    let books = Books::new();
    books.close_window(&[]);
    let pictures = Pictures::new(books.handle(), Pace::new(WINDOW, true), 1);
    let asked = tokio::spawn(async move { pictures.whole().await.map(|whole| whole.generation.0) });
    for _ in 0..25 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if asked.is_finished() {
            break;
        }
        books.close_window(&[]);
    }
    let shown = tokio::time::timeout(PATIENCE, asked).await.expect("in time").expect("no panic").expect("not stopped");
    assert!(shown >= 10, "window {shown} is not a full second");
}
