//! `trunkline doctor headers` does what the page about headers shows.

use std::io::Write as _;
use std::process::Stdio;

use crate::binary::Site;

const GUIDE: &str = include_str!("../../../../docs/connect-a-carrier.md");
const PAGE: &str = include_str!("../../../../docs/carrier-numbers-and-headers.md");
const INVITE: &str = "\
INVITE sip:+4930987654@203.0.113.9 SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK1
Max-Forwards: 70
From: <sip:+4930123450@198.51.100.7>;tag=1
To: <sip:+4930987654@203.0.113.9>
Call-ID: 1@198.51.100.7
CSeq: 1 INVITE
P-Asserted-Identity: <sip:+4930123450@198.51.100.7>
Content-Length: 0

";

/// The lines of a text from the first one that begins so, while `goes_on`; without their indentation.
fn block(text: &str, from: &str, goes_on: impl Fn(&str) -> bool) -> String {
    let lines = text.lines().skip_while(|line| !line.starts_with(from)).take_while(|line| goes_on(line));
    lines.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The tenant of the guide's file, with the trunk of the page about headers.
fn tenant_file() -> String {
    let (_, chapter) = PAGE.split_once("## Headers as a carrier wants them").unwrap();
    let tenant = block(GUIDE, "    tenant: acme", |line| line != "    trunks:");
    let trunks = block(chapter, "    trunks:", |line| !line.is_empty());
    format!("{tenant}\n{trunks}\n")
}

/// Exit code and output of the command, which gets the file and, on standard input, the message.
fn run(message: &str) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("acme.yaml");
    std::fs::write(&file, tenant_file()).unwrap();
    let file = file.display().to_string();
    let site = Site::new();
    let mut command = site.command(&["doctor", "headers", "--trunk", "main", "--file", &file, "--message", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_guides_rules_make_of_a_message_what_the_guide_says() {
    let (code, said) = run(INVITE);
    let (rules, message) = said.split_once("\n\n").unwrap();
    let shown = block(PAGE, "    trunk main of tenant acme, an INVITE sent", |line| !line.is_empty());
    assert_eq!((code, rules), (0, &*shown));
    for line in ["P-Asserted-Identity: <sip:+4930123450@carrier.example>", "X-Account: customer-4711"] {
        assert!(message.lines().any(|known| known == line), "{line} is not in\n{message}");
    }
}
