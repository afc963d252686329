use super::*;
use proptest::prelude::*;

#[test]
fn sources_extension_and_padding_are_skipped() {
    let mut bytes = vec![0xB1, 0x88, 0, 7, 0, 0, 0, 9, 1, 2, 3, 4];
    bytes.extend([0, 0, 0, 1]); // a contributing source
    bytes.extend([0xBE, 0xDE, 0, 1, 9, 9, 9, 9]); // an extension of one word
    bytes.extend([5, 6, 7, 0, 2]); // payload and padding
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.payload, [5, 6, 7]);
    assert_eq!((packet.header.marker, packet.header.payload_type, packet.header.sequence), (true, 8, 7));
}

#[test]
fn faults_are_told() {
    assert_eq!(Packet::parse(&[0x80; 11]), Err(RtpError::Short));
    assert_eq!(Packet::parse(&[0x40; 12]), Err(RtpError::Version));
    assert_eq!(Packet::parse(&[0x8F; 12]), Err(RtpError::Short));
    let mut padded = [0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    assert_eq!(Packet::parse(&padded), Err(RtpError::Padding));
    padded[12] = 0;
    assert_eq!(Packet::parse(&padded), Err(RtpError::Padding));
}

proptest! {
    #[test]
    fn parsing_what_was_built_gives_the_same(
        marker: bool, payload_type in 0..128u8, sequence: u16, timestamp: u32, ssrc: u32,
        payload in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let header = Header { marker, payload_type, sequence, timestamp, ssrc };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend(&payload);
        prop_assert_eq!(Packet::parse(&bytes).unwrap(), Packet { header, payload: &payload });
    }

    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Packet::parse(&bytes);
    }
}
