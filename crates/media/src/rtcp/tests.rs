use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn parsing_what_was_built_gives_the_same(
        ssrc: u32, sends: bool, ntp: u64, words: [u32; 3], about: [u32; 5], fraction_lost: u8,
        cumulative_lost in -0x80_0000..0x7F_FFFF_i32, goodbye: bool, cname in "[a-z@.]{0,40}",
    ) {
        let sender =
            sends.then_some(SenderInfo { ntp, rtp_timestamp: words[0], packets: words[1], octets: words[2] });
        let block = ReportBlock {
            ssrc: about[0], fraction_lost, cumulative_lost, highest_sequence: about[1], jitter: about[2],
            last_sender_report: about[3], delay_since: about[4],
        };
        let bytes = Report { ssrc, sender, block: Some(block), cname: &cname, goodbye }.to_bytes();
        prop_assert!(crate::rtp::is_rtcp(&bytes));
        let read = parse(&bytes, about[0]).unwrap();
        prop_assert_eq!(read, Compound { ssrc, sender, about_us: Some(block), goodbye });
    }

    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse(&bytes, 1);
    }
}

#[test]
fn a_compound_must_start_with_a_report() {
    assert_eq!(parse(&[0x81, 203, 0, 1, 0, 0, 0, 1], 1), Err(RtcpError));
    assert_eq!(parse(&[], 1), Err(RtcpError));
    assert_eq!(parse(&[0x80, 201, 0, 9, 0, 0, 0, 1], 1), Err(RtcpError));
}

#[test]
fn ntp_counts_from_1900() {
    assert_eq!(ntp(Timestamp::from_micros(1_500_000)), (2_208_988_801 << 32) | (1 << 31));
    assert_eq!(short_span(Duration::from_millis(1_500)), 98_304);
}
