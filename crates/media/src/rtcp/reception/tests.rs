use super::*;
use std::time::Duration;

const START: Timestamp = Timestamp::from_millis(1_000_000);

fn at(ms: u64) -> Timestamp {
    START + Duration::from_millis(ms)
}

#[test]
fn a_steady_stream_has_no_loss_and_no_jitter() {
    let mut reception = Reception::new(9, 8_000, (u16::MAX - 20, 5), START);
    for n in 1..100u16 {
        let sequence = (u16::MAX - 20).wrapping_add(n);
        reception.handle(sequence, 5 + 160 * u32::from(n), at(20 * u64::from(n)));
    }
    assert_eq!((reception.received(), reception.lost(), reception.jitter_8000()), (100, 0, 0));
    assert_eq!(reception.report(at(2_000)).fraction_lost, 0);
    assert_eq!(reception.report(at(2_000)).highest_sequence, 65_536 + 78, "the cycle is counted");
}

#[test]
fn loss_is_told_in_total_and_by_interval() {
    let mut reception = Reception::new(9, 8_000, (0, 0), START);
    for n in (1..80u16).filter(|n| n % 4 != 0) {
        reception.handle(n, 160 * u32::from(n), at(20 * u64::from(n)));
    }
    assert_eq!(reception.lost(), 19);
    let first = reception.report(at(1_600));
    assert_eq!((first.cumulative_lost, first.fraction_lost), (19, (19 * 256 / 80) as u8));
    for n in 80..120u16 {
        reception.handle(n, 160 * u32::from(n), at(20 * u64::from(n)));
    }
    let second = reception.report(at(2_400));
    assert_eq!((second.cumulative_lost, second.fraction_lost), (19, 0));
}

#[test]
fn jitter_follows_the_formula() {
    // Alternately 0 and 5 ms late: |D| is 40 units each time, so J tends to 40.
    let mut reception = Reception::new(9, 8_000, (0, 0), START);
    for n in 1..400u16 {
        let late = u64::from(n % 2) * 5;
        reception.handle(n, 160 * u32::from(n), at(20 * u64::from(n) + late));
    }
    assert!((38..=40).contains(&reception.jitter_8000()), "{}", reception.jitter_8000());
}

#[test]
fn reordering_is_no_loss_and_a_restart_counts_anew() {
    let mut reception = Reception::new(9, 8_000, (10, 0), START);
    for n in [12, 11, 13] {
        reception.handle(n, 0, START);
    }
    assert_eq!((reception.received(), reception.lost()), (4, 0));
    reception.handle(30_000, 0, START);
    assert_eq!((reception.received(), reception.lost()), (1, 0));
}

#[test]
fn the_delay_since_a_sender_report_is_told() {
    let mut reception = Reception::new(9, 8_000, (10, 0), START);
    reception.handle_sender_report(0x1122_3344_5566_7788, START);
    let block = reception.report(at(500));
    assert_eq!((block.last_sender_report, block.delay_since), (0x3344_5566, 32_768));
}
