//! Takes the connections of a listener from the kernel.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{ListenerId, Raw};

/// Pause after accept() has failed (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Passes on each connection of a listener, until nobody takes them any more.
pub(super) async fn accept(listener: TcpListener, id: ListenerId, events: mpsc::Sender<Raw>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                if events.send(Raw::Accepted(id, stream, remote)).await.is_err() {
                    return;
                }
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}
