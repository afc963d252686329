//! Connections of our own by TLS, to the edge of whatever is measured.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use net::tls::{TlsClient, TlsSession, authorities, self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Where SIP over TLS listens.
pub const SECURE_PORT: u16 = 5061;

/// A certificate for all of these names and addresses, with its key.
pub fn certificate(names: &[String], folder: &Path) -> Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let file = folder.join("edge.pem");
    fs::write(&file, self_signed::generate(names, i64::try_from(now)?)?)?;
    Ok(file)
}

/// A client that believes this certificate alone.
pub fn client(pem: &Path) -> Result<TlsClient> {
    Ok(TlsClient::new(None, authorities::of_files(&[pem])?)?)
}

/// A connection on which the proxy has proved its address.
pub async fn connect(proxy: SocketAddr, local: IpAddr, tls: &TlsClient) -> Result<(TcpStream, TlsSession)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(local, 0))?;
    let mut stream = socket.connect(proxy).await?;
    stream.set_nodelay(true)?;
    let mut session = tls.connect(&proxy.ip().to_string())?;
    session.limit(1 << 20);
    let mut buffer = [0; 16_384];
    loop {
        stream.write_all(&session.take_output()).await?;
        if !session.is_handshaking() {
            return Ok((stream, session));
        }
        let length = stream.read(&mut buffer).await?;
        ensure!(length > 0, "{proxy} closes the connection");
        session.receive(&buffer[..length], |_| {})?;
    }
}
