//! What comes before the first message: the handshake of a TLS connection, computed beside the thread of the loop, and the opening of a
//! WebSocket.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::Counted;
use super::reading::{MessageForm, ReadSide, SECURE_READ_BYTES};
use crate::sip::outlet::{More, NotSecured, Outlet};

// Handshakes that are computed at once: of those who connect to us, and of our own, which must not wait for strangers.
static THEIRS: Semaphore = Semaphore::const_new(2);
static OURS: Semaphore = Semaphore::const_new(1);

/// Reads until both ends know each other; at once in the clear.
pub(super) async fn complete(
    stream: &mut OwnedReadHalf,
    incoming: &mut ReadSide,
    within: Duration,
    counted: &Counted,
    outlet: &Arc<Outlet>,
) -> Result<(), NotSecured> {
    if !outlet.is_secure() {
        return Ok(());
    }
    let due = Instant::now() + within;
    let mut chunk = vec![0; SECURE_READ_BYTES];
    while outlet.is_handshaking() {
        let length = match timeout_at(due, stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => return Err(NotSecured::Closed),
            Ok(Ok(length)) => length,
            Err(_) => return Err(NotSecured::Late),
        };
        counted.received(length);
        let proved = timeout_at(due, prove(outlet, chunk.get(..length).unwrap_or_default())).await;
        let (taken, plain) = proved.map_err(|_| NotSecured::Late)?;
        incoming.push(&plain);
        if taken? == More::No {
            return Err(NotSecured::Closed);
        }
    }
    counted.counters.tls_handshakes.one();
    Ok(())
}

/// The far side has not opened a WebSocket.
pub(super) enum NotUpgraded {
    /// It asked for none for SIP, or not in time.
    Refused,
    /// It has ended as it may: it looked whether anybody is here, or has closed its WebSocket at once.
    Over,
}

/// Reads until the far side has opened its WebSocket; at once on any other connection.
pub(super) async fn upgrade(
    stream: &mut OwnedReadHalf,
    incoming: &mut ReadSide,
    within: Duration,
    counted: &Counted,
    outlet: &Arc<Outlet>,
) -> Result<(), NotUpgraded> {
    let due = Instant::now() + within;
    let mut chunk = vec![0; if incoming.is_opening() { SECURE_READ_BYTES } else { 0 }];
    loop {
        // The opening may have come with the end of a TLS handshake.
        if let Some(output) = incoming.take_output() {
            outlet.send(output).map_err(|_| NotUpgraded::Refused)?;
        }
        if !incoming.is_opening() {
            break;
        }
        let length = match timeout_at(due, stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) | Err(_) => return Err(NotUpgraded::Refused),
            Ok(Ok(length)) => length,
        };
        counted.received(length);
        let taken = outlet.receive(chunk.get(..length).unwrap_or_default(), |plain| incoming.push(plain));
        if !matches!(taken, Ok(More::MayCome)) {
            return Err(NotUpgraded::Refused);
        }
    }
    match incoming.more() {
        More::MayCome if incoming.form() == MessageForm::WebSocket => outlet.set_web_socket(true),
        More::MayCome => {}
        More::No => return Err(NotUpgraded::Over),
        More::Broken => return Err(NotUpgraded::Refused),
    }
    Ok(())
}

/// Takes a part of a handshake on another thread: a signature takes a millisecond, and strangers can ask for thousands of them. The thread
/// of the loop must not wait for that.
async fn prove(outlet: &Arc<Outlet>, part: &[u8]) -> (Result<More, NotSecured>, Vec<u8>) {
    let (outlet, part) = (outlet.clone(), part.to_vec());
    let of_whom = if outlet.name().is_some() { &OURS } else { &THEIRS };
    // The semaphores are never closed.
    let turn = of_whom.acquire().await;
    let proved = tokio::task::spawn_blocking(move || {
        // Also when nobody waits for it any more.
        let _turn = turn;
        let mut plain = Vec::new();
        let taken = outlet.receive(&part, |bytes| plain.extend_from_slice(bytes));
        (taken, plain)
    });
    proved.await.unwrap_or((Err(NotSecured::Closed), Vec::new()))
}
