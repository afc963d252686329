//! What the kernel tells of a peer that reads slowly, or no more.

use std::time::Duration;

use tokio::net::TcpStream;

/// Bytes that wait in the kernel before they are sent, at most: there is room again when half of them are on their way. Without this
/// there is room when a third of the whole buffer is free, of a few MB, and who takes 40 kB a second seems to stand still for half a minute.
const UNSENT_BYTES_MAX: u32 = 128 << 10;

/// How long the kernel of a peer may acknowledge, or take, none of what is sent before the connection ends: as long as an answer may
/// stand still, so that nobody is cut off sooner. A peer that is gone would count for a quarter of an hour.
const UNTAKEN_MAX: Duration = Duration::from_secs(120);

/// Lets it be seen soon that a peer takes something, and some time that it is gone.
pub(super) fn show(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    // Without them, it is seen late.
    let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
    let _ = socket.set_tcp_user_timeout(Some(UNTAKEN_MAX));
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// What a peer may leave untaken, its own buffer included: a small part of what the kernel would hold.
    const UNTAKEN_BYTES_MAX: usize = 1 << 20;
    /// What a slow reader takes within a few seconds.
    const TAKEN: usize = 200 << 10;

    /// Sends until there is no more room: how much that was.
    fn fill(stream: &TcpStream) -> usize {
        let mut sent = 0;
        loop {
            match stream.try_write(&[b'x'; 16 << 10]) {
                Ok(bytes) => sent += bytes,
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => return sent,
                Err(error) => panic!("{error}"),
            }
            assert!(sent < 64 << 20, "there is always room");
        }
    }

    #[tokio::test]
    async fn there_is_room_again_when_a_slow_reader_has_taken_a_little() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        let place: SocketAddr = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(socket.connect(place), listener.accept());
        let (mut client, stream) = (client.unwrap(), accepted.unwrap().0);
        show(&stream);
        assert_eq!(socket2::SockRef::from(&stream).tcp_user_timeout().unwrap(), Some(UNTAKEN_MAX));
        stream.writable().await.unwrap();
        let held = fill(&stream);
        assert!(held < UNTAKEN_BYTES_MAX, "{held}");
        let mut taken = vec![0; TAKEN.min(held)];
        client.read_exact(&mut taken).await.unwrap();
        while fill(&stream) == 0 {
            stream.writable().await.unwrap();
        }
    }
}
