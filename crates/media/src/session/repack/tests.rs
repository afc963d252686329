use proptest::prelude::*;

use super::*;
use crate::g711::Law;

fn all(repack: &mut Repack) -> Vec<Piece> {
    std::iter::from_fn(|| repack.next_ready()).collect()
}

#[test]
fn a_lost_packet_is_silence_in_the_packet_under_way_and_a_late_one_is_left_out() {
    let mut repack = Repack::new(1, 0, 1_000, true);
    repack.take(0, false, [1; 160].into_iter(), Law::Mu.silence(), 240);
    assert_eq!(all(&mut repack), []);
    // The packet at 160 is lost.
    repack.take(320, false, [3; 160].into_iter(), Law::Mu.silence(), 240);
    repack.take(160, false, [2; 160].into_iter(), Law::Mu.silence(), 240);
    repack.take(480, false, [4; 160].into_iter(), Law::Mu.silence(), 240);
    let pieces = all(&mut repack);
    assert_eq!(pieces.iter().map(|p| (p.marker, p.timestamp)).collect::<Vec<_>>(), [(true, 1_000), (false, 1_320)]);
    assert_eq!((pieces[0].codes[159], pieces[0].codes[160], pieces[0].codes.len()), (1, Law::Mu.silence(), 240));
    assert_eq!((pieces[1].codes[159], pieces[1].codes[160]), (3, 4));
}

proptest! {
    #[test]
    fn every_sample_leaves_once_in_order_at_its_own_time(
        sizes in proptest::collection::vec(1_usize..800, 1..40), length in (1_usize..=6).prop_map(|n| n * 80),
    ) {
        let mut repack = Repack::new(7, 5_000, 77, true);
        let (mut sent, mut got, mut timestamp) = (Vec::new(), Vec::new(), 5_000_u32);
        for size in sizes {
            let codes: Vec<u8> = (0..size).map(|n| (sent.len() + n) as u8).collect();
            repack.take(timestamp, false, codes.iter().copied(), Law::A.silence(), length);
            timestamp += size as u32;
            sent.extend(codes);
            for piece in all(&mut repack) {
                prop_assert_eq!(piece.codes.len(), length);
                prop_assert_eq!(piece.timestamp, 5_077 + got.len() as u32);
                got.extend(piece.codes);
            }
        }
        prop_assert!(sent.len() - got.len() < length);
        prop_assert_eq!(&sent[..got.len()], &got[..]);
    }
}
