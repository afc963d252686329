//! Bodies packed with gzip (RFC 9110 section 8.4.1.3): unpacked up to the bound of a batch, however much they would become.

use std::io::Read as _;

use ::telemetry::limits::BATCH_BYTES_MAX;
use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;
use net::http::{Problem, StatusCode};

use super::answers::BatchRefusal;
use super::metrics::BatchOutcome;

/// A body as its sender meant it.
///
/// # Errors
/// If it is packed in a way that is not known, cannot be unpacked, or is too large.
pub(super) fn unpacked(headers: &HeaderMap, body: Bytes) -> Result<Bytes, BatchRefusal> {
    let coding = headers.get(header::CONTENT_ENCODING).map(|coding| coding.as_bytes().trim_ascii());
    match coding {
        None => Ok(body),
        Some(coding) if coding.eq_ignore_ascii_case(b"identity") => Ok(body),
        Some(coding) if coding.eq_ignore_ascii_case(b"gzip") => gunzip(&body),
        Some(_) => {
            let problem =
                Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "coding", "The body is packed in another way")
                    .detail("Content-Encoding: it must be gzip or identity");
            Err(BatchRefusal::new(problem, BatchOutcome::Faulty))
        }
    }
}

fn gunzip(packed: &[u8]) -> Result<Bytes, BatchRefusal> {
    let mut whole = Vec::with_capacity(packed.len().saturating_mul(4).min(BATCH_BYTES_MAX));
    let bound = BATCH_BYTES_MAX as u64 + 1;
    let read = MultiGzDecoder::new(packed).take(bound).read_to_end(&mut whole);
    if let Err(error) = read {
        return Err(BatchRefusal::unreadable(format!("the body is not gzip: {error}")));
    }
    if whole.len() > BATCH_BYTES_MAX {
        return Err(BatchRefusal::too_large(format!("it has more than {BATCH_BYTES_MAX} bytes unpacked")));
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    fn read(coding: Option<&'static str>, body: Bytes) -> Result<Bytes, BatchOutcome> {
        let mut headers = HeaderMap::new();
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        }
        unpacked(&headers, body).map_err(|refusal| refusal.outcome)
    }

    #[test]
    fn a_packed_body_is_unpacked_within_its_bound() {
        assert_eq!(read(Some("GZIP"), packed(b"{}")), Ok(Bytes::from_static(b"{}")));
        assert_eq!(read(None, Bytes::from_static(b"{}")), Ok(Bytes::from_static(b"{}")));
        assert_eq!(
            read(Some("gzip"), packed(&vec![b' '; BATCH_BYTES_MAX])).map(|body| body.len()),
            Ok(BATCH_BYTES_MAX)
        );
        assert_eq!(read(Some("gzip"), packed(&vec![b' '; BATCH_BYTES_MAX + 1])), Err(BatchOutcome::TooLarge));
        assert_eq!(read(Some("gzip"), Bytes::from_static(b"{}")), Err(BatchOutcome::Faulty));
        assert_eq!(read(Some("br"), Bytes::from_static(b"{}")), Err(BatchOutcome::Faulty));
    }
}
