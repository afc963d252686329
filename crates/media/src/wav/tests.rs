use super::*;
use proptest::prelude::*;

fn companded(tag: u8, data: &[u8]) -> Vec<u8> {
    let mut out = build(&[]);
    out.truncate(36);
    out[20] = tag;
    out[34] = 8;
    out.extend(b"LIST\x03\0\0\0abc\0data");
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
    out
}

#[test]
fn g711_files_are_decoded_behind_other_chunks() {
    assert_eq!(parse(&companded(6, &[0xD5, 0x2A])).unwrap(), [8, -32_256]);
    assert_eq!(parse(&companded(7, &[0xFF, 0x80])).unwrap(), [0, 32_124]);
}

#[test]
fn what_is_no_prompt_is_refused() {
    assert_eq!(parse(b"RIFFxxxxWAVX"), Err(WavError::NotWav));
    assert_eq!(parse(b"RIFFxxxxWAVE"), Err(WavError::Chunk("fmt")));
    let mut stereo = build(&[1, 2]);
    stereo[22] = 2;
    assert_eq!(parse(&stereo), Err(WavError::Shape { channels: 2, rate: 8_000 }));
    assert_eq!(parse(&companded(17, &[])), Err(WavError::Encoding { tag: 17, bits: 8 }));
    let silent = build(&[1]);
    assert_eq!(parse(&silent[..36]), Err(WavError::Chunk("data")));
}

proptest! {
    #[test]
    fn parsing_what_was_built_gives_the_same(samples in proptest::collection::vec(any::<i16>(), 0..200)) {
        prop_assert_eq!(parse(&build(&samples)).unwrap(), samples);
    }

    #[test]
    fn no_input_panics(tail in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut bytes = b"RIFFxxxxWAVE".to_vec();
        bytes.extend(tail);
        let _ = parse(&bytes);
    }
}
