//! Where a bucket is: its name and prefix from `s3://bucket/prefix`, and the server that has it.

use std::fmt::Write as _;

use axum::http::Uri;

/// The longest prefix, in bytes: a key may have 1,024 with what comes after it.
const PREFIX_BYTES_MAX: usize = 512;
/// The longest name of a region, in bytes.
const REGION_BYTES_MAX: usize = 64;

/// A bucket, and what the keys in it begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::bds) struct BucketPath {
    pub bucket: String,
    /// Without `/` at its ends; perhaps empty.
    pub prefix: String,
}

/// Reads `s3://bucket` or `s3://bucket/prefix`.
pub(in crate::bds) fn bucket_path(text: &str) -> Result<BucketPath, String> {
    let rest = text.strip_prefix("s3://").ok_or_else(|| "it must be s3://BUCKET/PREFIX".to_owned())?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let is_end = |end: Option<&u8>| end.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = bucket.as_bytes();
    let is_bucket = (3..=63).contains(&bytes.len()) && bytes.iter().all(|byte| is_of_name(*byte));
    if !is_bucket || !is_end(bytes.first()) || !is_end(bytes.last()) || bucket.contains("..") {
        return Err(
            "the bucket must have 3 to 63 lower-case letters, digits, - and ., with a letter or digit at both ends"
                .to_owned(),
        );
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if prefix.len() > PREFIX_BYTES_MAX {
        return Err(format!("the prefix must have at most {PREFIX_BYTES_MAX} bytes"));
    }
    let is_part = |part: &str| {
        let is_right = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=');
        !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_right)
    };
    if !prefix.is_empty() && !prefix.split('/').all(is_part) {
        return Err("the prefix must be names of letters, digits, -, _, . and =, with / between them".to_owned());
    }
    Ok(BucketPath { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

/// Checks where a bucket is; empty stands for none.
pub(in crate::bds) fn check_bucket(text: &str) -> Result<(), String> {
    if text.is_empty() { Ok(()) } else { bucket_path(text).map(drop) }
}

/// Checks the name of a region, as `eu-central-1`.
pub(in crate::bds) fn check_region(region: &str) -> Result<(), String> {
    let is_right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !region.is_empty() && region.len() <= REGION_BYTES_MAX && region.bytes().all(is_right) {
        return Ok(());
    }
    Err(format!("it must have 1 to {REGION_BYTES_MAX} lower-case letters, digits and -, as eu-central-1"))
}

/// Checks the address of a store; empty stands for Amazon's.
pub(in crate::bds) fn check_endpoint(endpoint: &str) -> Result<(), String> {
    if endpoint.is_empty() { Ok(()) } else { at_endpoint(endpoint).map(drop) }
}

/// The server that has a bucket, and how its objects are named there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::bds) struct S3Server {
    /// Scheme, host and port, as `https://s3.example:443`.
    base: String,
    /// The value of `Host`, which has no port where the scheme says it.
    pub host: String,
    /// What paths begin with: the bucket, unless the host names it.
    root: String,
}

impl S3Server {
    /// The server at that endpoint; without one, Amazon's of the region.
    pub fn of(endpoint: &str, region: &str, bucket: &str) -> Result<Self, String> {
        if !endpoint.is_empty() {
            let (base, host) = at_endpoint(endpoint)?;
            return Ok(Self { base, host, root: format!("/{bucket}") });
        }
        // Amazon's regions in China have a domain of their own.
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        // A certificate for `*.s3` is none for two labels in front.
        let (host, root) = if bucket.contains('.') {
            (format!("s3.{region}.{domain}"), format!("/{bucket}"))
        } else {
            (format!("{bucket}.s3.{region}.{domain}"), String::new())
        };
        Ok(Self { base: format!("https://{host}:443"), host, root })
    }

    /// The path of an object, as it stands in a request and in what is signed.
    pub fn path_of(&self, key: &str) -> String {
        format!("{}/{}", self.root, encoded(key))
    }

    /// The address of a path.
    pub fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// Base and `Host` of an endpoint.
fn at_endpoint(endpoint: &str) -> Result<(String, String), String> {
    let rule = || "it must be http://HOST:PORT or https://HOST, without path, user and query".to_owned();
    let uri: Uri = endpoint.parse().map_err(|_| rule())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(rule()) };
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err(rule()),
    };
    if authority.as_str().contains('@') || authority.host().is_empty() || !matches!(uri.path(), "" | "/") {
        return Err(rule());
    }
    if uri.query().is_some() {
        return Err(rule());
    }
    let (host, port) = (authority.host(), authority.port_u16().unwrap_or(usual));
    let shown = if port == usual { host.to_owned() } else { format!("{host}:{port}") };
    Ok((format!("{scheme}://{host}:{port}"), shown))
}

/// A key as Signature Version 4 wants it in paths: all but letters, digits, `-._~` and `/` as `%` and the byte.
fn encoded(key: &str) -> String {
    let mut path = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_a_name_and_perhaps_a_prefix() {
        let read = |text: &str| bucket_path(text).map(|path| (path.bucket, path.prefix));
        let both = |bucket: &str, prefix: &str| Ok((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(read("s3://inventory"), both("inventory", ""));
        assert_eq!(read("s3://inventory/"), both("inventory", ""));
        assert_eq!(read("s3://in.ventory-1/a/b=c/"), both("in.ventory-1", "a/b=c"));
        for (wrong, rule) in [
            ("inventory/a", "s3://BUCKET/PREFIX"),
            ("https://inventory/a", "s3://BUCKET/PREFIX"),
            ("s3://", "the bucket"),
            ("s3://ab", "the bucket"),
            ("s3://Inventory", "the bucket"),
            ("s3://-inventory", "the bucket"),
            ("s3://inven..tory", "the bucket"),
            ("s3://inventory/a//b", "the prefix"),
            ("s3://inventory/../b", "the prefix"),
            ("s3://inventory/a b", "the prefix"),
        ] {
            let fault = read(wrong).unwrap_err();
            assert!(fault.contains(rule), "{wrong}: {fault}");
        }
        assert!(bucket_path(&format!("s3://inventory/{}", "x".repeat(PREFIX_BYTES_MAX + 1))).is_err());
    }

    #[test]
    fn a_bucket_is_named_by_the_host_at_amazon_and_by_the_path_elsewhere() {
        let server = |endpoint: &str, bucket: &str| {
            let server = S3Server::of(endpoint, "eu-central-1", bucket).unwrap();
            let path = server.path_of("a%2Eb/2026-07-02/people.csv");
            (server.host.clone(), server.url_of(&path))
        };
        let told = |host: &str, url: &str| (host.to_owned(), url.to_owned());
        assert_eq!(
            server("", "inventory"),
            told(
                "inventory.s3.eu-central-1.amazonaws.com",
                "https://inventory.s3.eu-central-1.amazonaws.com:443/a%252Eb/2026-07-02/people.csv"
            )
        );
        let dotted = server("", "in.ventory");
        assert_eq!(dotted.0, "s3.eu-central-1.amazonaws.com");
        assert!(dotted.1.starts_with("https://s3.eu-central-1.amazonaws.com:443/in.ventory/"), "{}", dotted.1);
        assert_eq!(
            server("http://127.0.0.1:9000/", "inventory"),
            told("127.0.0.1:9000", "http://127.0.0.1:9000/inventory/a%252Eb/2026-07-02/people.csv")
        );
        assert_eq!(server("https://minio.example:443", "inventory").0, "minio.example");
        assert_eq!(server("http://[::1]:9000", "inventory").0, "[::1]:9000");
        let in_china = |bucket: &str| S3Server::of("", "cn-north-1", bucket).unwrap().host;
        assert_eq!(in_china("inventory"), "inventory.s3.cn-north-1.amazonaws.com.cn");
        assert_eq!(in_china("in.ventory"), "s3.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn an_endpoint_is_a_server_and_nothing_more() {
        assert!(check_endpoint("").is_ok() && check_bucket("").is_ok());
        for wrong in ["minio", "ftp://minio", "http://minio/a", "http://minio?a=b", "https://user@minio", "minio:9000"]
        {
            assert!(check_endpoint(wrong).is_err(), "{wrong}");
        }
        assert!(check_region("us-east-1").is_ok());
        for wrong in ["", "EU", "eu/1", "eu west"] {
            assert!(check_region(wrong).is_err(), "{wrong}");
        }
    }
}
