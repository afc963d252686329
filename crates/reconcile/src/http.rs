//! One request over plain HTTP/1.1.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// The response body of a GET.
pub async fn get(web: &str, path: &str, token: &str) -> Result<Vec<u8>> {
    let exchange = tokio::time::timeout(ANSWER_WITHIN, exchange(web, path, token));
    exchange.await.with_context(|| format!("{web}{path} does not answer"))?
}

async fn exchange(web: &str, path: &str, token: &str) -> Result<Vec<u8>> {
    let place = web.strip_prefix("http://").context("not http")?.trim_end_matches('/');
    let mut stream = TcpStream::connect(place).await.with_context(|| format!("connecting to {place}"))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {place}\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    read(&answer).with_context(|| format!("{web}{path}"))
}

fn read(answer: &[u8]) -> Result<Vec<u8>> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").context("no end of the head")?;
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
    let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let chunked = head.lines().any(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("transfer-encoding:") && line.contains("chunked")
    });
    let body = if chunked { unchunk(body)? } else { body.to_vec() };
    ensure!(status == "200", "answered {status}: {}", String::from_utf8_lossy(&body));
    Ok(body)
}

fn unchunk(mut body: &[u8]) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|bytes| bytes == b"\r\n").context("a chunk without a length")?;
        let length = String::from_utf8_lossy(&body[..end]);
        let length = usize::from_str_radix(length.split(';').next().unwrap_or_default().trim(), 16)?;
        let rest = &body[end + 2..];
        if length == 0 {
            return Ok(whole);
        }
        let Some((chunk, after)) = rest.split_at_checked(length) else { bail!("a chunk broke off") };
        whole.extend_from_slice(chunk);
        body = after.strip_prefix(b"\r\n").context("a chunk without an end")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_whole_or_in_chunks_and_refusals_are_errors() {
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap(), b"{}");
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n4\r\na\":1\r\n1\r\n}\r\n0\r\n\r\n";
        assert_eq!(read(chunked).unwrap(), b"{\"a\":1}");
        assert!(read(b"HTTP/1.1 404 Not Found\r\n\r\n").is_err());
        assert!(read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nab").is_err());
        assert!(read(b"").is_err());
    }
}
