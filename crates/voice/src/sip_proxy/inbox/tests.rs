use bytes::Bytes;

use super::*;

fn datagram(bytes: Vec<u8>) -> Datagram {
    Datagram { remote: ([192, 0, 2, 1], 5060).into(), bytes: Bytes::from(bytes) }
}

#[test]
fn the_first_one_says_how_long_is_waited() {
    let (mut inbox, ms) = (Inbox::default(), Timestamp::from_millis);
    assert_eq!(inbox.wait(ms(5)), Duration::ZERO);
    inbox.put(datagram(b"a".to_vec()), ms(10));
    inbox.put(datagram(b"b".to_vec()), ms(30));
    assert_eq!(inbox.len(), 2);
    assert_eq!(inbox.wait(ms(40)), Duration::from_millis(30));
    assert_eq!(inbox.take().unwrap().bytes, "a");
    assert_eq!(inbox.wait(ms(40)), Duration::from_millis(10));
    assert_eq!(inbox.take().unwrap().bytes, "b");
    assert!(inbox.is_empty() && inbox.take().is_none());
}

#[test]
fn there_is_room_for_so_many_and_so_much() {
    for (bytes, most) in [(100, WAITING_MAX), (65_535, BYTES_MAX / 65_535 + 1)] {
        let mut inbox = Inbox::default();
        let mut taken = 0;
        while inbox.has_room() {
            inbox.put(datagram(vec![0; bytes]), Timestamp::from_millis(1));
            taken += 1;
        }
        assert_eq!(taken, most);
        while inbox.take().is_some() {}
        assert!(inbox.has_room());
    }
}
