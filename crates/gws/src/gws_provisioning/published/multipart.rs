//! Forms with files (RFC 7578), as the published clients send tables. A body is read whole, so its size bounds the work.

/// The longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// The boundary that a content type names.
pub(in crate::gws_provisioning) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let named = parameters.split(';').find_map(|one| {
        let (name, value) = one.trim().split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (1..=BOUNDARY_BYTES_MAX).contains(&named.len()).then_some(named)
}

/// A part of a form.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::gws_provisioning) struct FormPart<'b> {
    /// The name of the file that it is; empty if it is none, or has no name.
    pub file_name: String,
    /// What is in it.
    pub content: &'b [u8],
}

/// The part of that name.
pub(in crate::gws_provisioning) fn part<'b>(body: &'b [u8], boundary: &str, name: &str) -> Option<FormPart<'b>> {
    let delimiter = format!("--{boundary}").into_bytes();
    let mut rest = after(body, &delimiter)?;
    loop {
        // Two dashes end the last part.
        if rest.starts_with(b"--") {
            return None;
        }
        let of_part = rest.strip_prefix(b"\r\n")?;
        let end = find(of_part, &[b"\r\n".as_slice(), delimiter.as_slice()].concat())?;
        let (head, content) = split(&of_part[..end], b"\r\n\r\n")?;
        if let Some(file_name) = file_name_if(head, name) {
            return Some(FormPart { file_name, content });
        }
        rest = &of_part[end + 2 + delimiter.len()..];
    }
}

/// The name of the file of a part with that name.
fn file_name_if(head: &[u8], name: &str) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let is_disposition = |line: &&str| {
        line.split_once(':').is_some_and(|(header, _)| header.trim().eq_ignore_ascii_case("content-disposition"))
    };
    let parameters = parameters(head.lines().find(is_disposition)?);
    let value = |key: &str| parameters.iter().find(|(own, _)| *own == key).map(|(_, value)| *value);
    let is_meant = value("name") == Some(name);
    is_meant.then(|| value("filename").unwrap_or_default().to_owned())
}

/// The parameters of a header with their values, which may stand in quotation marks (RFC 7578 section 4.2).
fn parameters(header: &str) -> Vec<(&str, &str)> {
    let (mut parameters, mut rest) = (Vec::new(), header);
    while let Some((key, value)) = rest.split_once(';').and_then(|(_, rest)| rest.split_once('=')) {
        let value = value.trim_start();
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        parameters.push((key.trim(), value.trim_end()));
        rest = behind;
    }
    parameters
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn after<'b>(bytes: &'b [u8], what: &[u8]) -> Option<&'b [u8]> {
    find(bytes, what).map(|at| &bytes[at + what.len()..])
}

fn split<'b>(bytes: &'b [u8], by: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    find(bytes, by).map(|at| (&bytes[..at], &bytes[at + by.len()..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORM: &str = "--x\r\nContent-Disposition: form-data; name=\"csvfile\"; filename=\"people; all.csv\"\r\n\
                        Content-Type: text/csv\r\n\r\nuser_name\r\nann\r\n\r\n--x\r\n\
                        content-disposition: form-data; name=\"validateBeforeImport\"\r\n\r\ntrue\r\n--x--\r\n";

    #[test]
    fn each_part_is_found_by_its_name() {
        let found = |name| part(FORM.as_bytes(), "x", name).map(|part| (part.file_name, part.content));
        assert_eq!(found("csvfile"), Some(("people; all.csv".to_owned(), &b"user_name\r\nann\r\n"[..])));
        assert_eq!(found("validateBeforeImport"), Some((String::new(), &b"true"[..])));
        assert_eq!(part(FORM.as_bytes(), "x", "filename"), None);
        assert_eq!(part(b"--x--\r\n", "x", "csvfile"), None);
    }

    #[test]
    fn a_boundary_is_read_with_and_without_quotes() {
        assert_eq!(boundary("multipart/form-data; boundary=--abc"), Some("--abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\""), Some("a b"));
        for none in ["text/csv", "multipart/form-data", "multipart/form-data; boundary=", "text/csv; boundary=x"] {
            assert_eq!(boundary(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_not(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = part(&body, "x", "csvfile");
        }

        #[test]
        fn what_was_sent_comes_out(content in "[ -~\\r\\n]{0,80}") {
            prop_assume!(!content.starts_with("--x") && !content.contains("\r\n--x"));
            let form = format!("--x\r\nContent-Disposition: form-data; name=\"csvfile\"\r\n\r\n{content}\r\n--x--\r\n");
            let found = part(form.as_bytes(), "x", "csvfile").map(|part| part.content);
            prop_assert_eq!(found, Some(content.as_bytes()));
        }
    }
}
