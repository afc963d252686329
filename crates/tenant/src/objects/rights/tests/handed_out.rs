//! Privileges that somebody with folders hands out: nobody gets more by it than the giver has.

use super::*;

/// Ann, who may do everything in every folder, gives Hal an agent's privilege and another one.
fn gives_beside_agent(own: &[Privilege], other: Privilege) -> Result<usize, ChangeRefusal> {
    let mut all = cities();
    all.folders.push(folder("/", vec![entry("Berlin", &FolderRight::ALL)]));
    all.people[0].privileges = own.to_vec();
    let document = format!(r#"{{"privileges":["agent","{}"]}}"#, other.as_str());
    plan(&indexed(&all), "ann", ObjectKind::Person, "hal", merge(&document, "privileges"))
}

#[test]
fn what_unties_an_agent_is_handed_out_by_who_has_it_alone() {
    let folders = Privilege::FolderAdministrator;
    // What these leave tied, everybody may be who gives them.
    let own = [folders, Privilege::Designer, Privilege::Integrator];
    for other in own {
        assert_eq!(gives_beside_agent(&own, other).unwrap(), 1, "{other:?}");
    }
    for over_all in [Privilege::Supervisor, Privilege::Administrator] {
        assert_eq!(denied(gives_beside_agent(&own, over_all)).0, "privileges", "{over_all:?}");
        assert_eq!(gives_beside_agent(&[folders, over_all], over_all).unwrap(), 1, "{over_all:?}");
    }
    // Whoever is over all agents already is not made another one by who is not.
    let mut all = cities();
    all.folders.push(folder("/", vec![entry("Berlin", &FolderRight::ALL)]));
    let more = merge(r#"{"privileges":["agent","supervisor","folder_administrator"]}"#, "privileges");
    assert_eq!(denied(plan(&indexed(&all), "ann", ObjectKind::Person, "sue", more)).0, "privileges");
}
