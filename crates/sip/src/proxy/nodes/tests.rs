use super::*;

fn says(text: &str) -> Announcement {
    Announcement::parse(text).unwrap()
}

#[test]
fn an_announcement_names_role_node_and_epoch() {
    let node = says("sip-cluster;node=sip-cluster-1;epoch=17;draining");
    assert_eq!(
        (&*node.role, node.owner.to_string().as_str(), node.draining),
        ("sip-cluster", "sip-cluster-1.17", true)
    );
    for bad in ["", "x", "x;node=a", "x;epoch=1", "x;node=a b;epoch=1", "x;node=a;epoch=-1", ";node=a;epoch=1"] {
        assert_eq!(Announcement::parse(bad), None, "{bad}");
    }
}

#[test]
fn new_calls_avoid_a_node_that_drains_as_long_as_there_is_another() {
    let mut nodes = Nodes::default();
    nodes.join(ConnectionId(1), says("sip-cluster;node=a;epoch=1;draining"));
    assert_eq!(nodes.for_new("sip-cluster", 7).unwrap().connection, ConnectionId(1));
    nodes.join(ConnectionId(2), says("sip-cluster;node=b;epoch=1"));
    assert!((0..100).all(|key| nodes.for_new("sip-cluster", key).unwrap().connection == ConnectionId(2)));
    assert!((0..100).any(|key| nodes.successor("sip-cluster", key).unwrap().connection == ConnectionId(1)));
    assert!(nodes.for_new("media", 7).is_none());
}

#[test]
fn a_restarted_node_is_another_owner() {
    let mut nodes = Nodes::default();
    nodes.join(ConnectionId(1), says("sip-cluster;node=a;epoch=1"));
    nodes.leave(ConnectionId(1));
    nodes.join(ConnectionId(2), says("sip-cluster;node=a;epoch=2"));
    assert!(nodes.by_owner(&"a.1".parse().unwrap()).is_none());
    assert!(nodes.by_owner(&"a.2".parse().unwrap()).is_some());
}

#[test]
fn a_node_that_connects_again_is_used_by_its_new_connection() {
    let mut nodes = Nodes::default();
    assert_eq!(nodes.join(ConnectionId(1), says("media;node=m;epoch=1")), Joined::New);
    assert_eq!(nodes.join(ConnectionId(1), says("media;node=m;epoch=1;draining")), Joined::Again);
    assert_eq!(nodes.join(ConnectionId(2), says("media;node=m;epoch=1")), Joined::Moved { from: ConnectionId(1) });
    assert_eq!((nodes.len(), nodes.list().as_str()), (1, "m.1"));
    assert!(nodes.leave(ConnectionId(1)).is_none());
}

#[test]
fn three_unanswered_keep_alives_are_too_many() {
    let mut nodes = Nodes::default();
    nodes.join(ConnectionId(1), says("media;node=m;epoch=1"));
    for _ in 0..3 {
        assert!(nodes.count_unanswered().is_empty());
    }
    nodes.answered(ConnectionId(1), None);
    for _ in 0..3 {
        assert!(nodes.count_unanswered().is_empty());
    }
    assert_eq!(nodes.count_unanswered(), [ConnectionId(1)]);
}
