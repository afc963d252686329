//! The people whom robots play: agents at 7001 to 7010, and from 8001 upward if more are needed; desks at 8991 and 8992, which call numbers
//! outside by a trunk to the carrier of the robots.

use std::net::{IpAddr, SocketAddr};

use contracts::provisioning::{
    Agent, Dn, DnKind, Encryption, Person, Place, Privilege, Secret, SkillLevel, TenantObjects, Trunk,
};
use model::Entropy as _;
use robots::{CARRIER_PORT, OutsideCalls, RobotAgent, RobotDesk, SecureEdge};

/// Extensions of the first robots, which the example tenant has from the start.
const FIRST: std::ops::RangeInclusive<u32> = 7_001..=7_010;
/// The first extension of the others.
const MORE: u32 = 8_001;
/// Phones of robots that are no agents, behind those of the most agents; one of them encrypts.
const DESKS: [(&str, Encryption); 2] = [("8991", Encryption::Off), ("8992", Encryption::Required)];
/// The trunk by which they call, and what the numbers that they call begin with: a part of the plan that no subscriber has.
const TRUNK: &str = "demo-robots";
const OUTSIDE: &str = "+1558";
/// The first agent id of a robot; the number follows the robot's.
const AGENT: u32 = 2_001;
/// The product ends after-call work itself if a robot forgets it.
const WRAP_UP_S: u32 = 30;

/// The extension of each robot, and its agent's id.
fn robots(count: usize) -> impl Iterator<Item = (String, String)> {
    let extensions = FIRST.chain(MORE..);
    extensions.zip(AGENT..).take(count).map(|(extension, agent)| (extension.to_string(), agent.to_string()))
}

/// Whether the extension is a robot's.
pub fn is_robot(extension: &str) -> bool {
    extension.parse().is_ok_and(|number: u32| FIRST.contains(&number) || (MORE..MORE + 1_000).contains(&number))
}

fn phone(secrets: &mut runtime::entropy::Strong, encryption: Encryption) -> DnKind {
    DnKind::Extension {
        password: Secret(format!("{:012x}", secrets.next_u64() >> 16)),
        no_answer_s: None,
        call_waiting: true,
        outgoing_max: None,
        direct_media: false,
        encryption,
        location: None,
    }
}

/// Adds the missing objects for calls to numbers outside, whose carrier is at this address; returns whether any were missing.
pub fn complete_outside(objects: &mut TenantObjects, carrier: IpAddr) -> bool {
    let mut secrets = runtime::entropy::Strong::seeded_by_system();
    let mut missing = false;
    for (number, encryption) in DESKS {
        if !objects.dns.iter().any(|dn| dn.number == number) {
            objects.dns.push(Dn::new(number.to_owned(), phone(&mut secrets, encryption)));
            missing = true;
        }
    }
    let contact = carrier_at(carrier).to_string();
    match objects.trunks.iter_mut().find(|trunk| trunk.name == TRUNK) {
        Some(trunk) if trunk.contact.as_ref() == Some(&contact) => {}
        // Another instance number, or another address of the machine.
        Some(trunk) => (trunk.contact, missing) = (Some(contact), true),
        None => {
            let prefix = Some(OUTSIDE.to_owned());
            let trunk = Trunk { name: TRUNK.to_owned(), contact: Some(contact), prefix, ..Trunk::default() };
            objects.trunks.push(trunk);
            missing = true;
        }
    }
    missing
}

/// Where the robots' carrier takes calls.
fn carrier_at(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, CARRIER_PORT)
}

/// Who calls numbers outside, by the objects that [`complete_outside`] has added; `None` if somebody has removed them.
pub fn outside(objects: &TenantObjects, carrier: IpAddr, secure: Option<SecureEdge>) -> Option<OutsideCalls> {
    let desk = |(number, _): &(&str, Encryption)| {
        let dn = objects.dns.iter().find(|dn| dn.number == *number)?;
        let DnKind::Extension { password, encryption, .. } = &dn.kind else { return None };
        let password = password.reveal().to_owned();
        Some(RobotDesk { extension: dn.number.clone(), password, encrypts: *encryption != Encryption::Off })
    };
    let prefix = objects.trunks.iter().find(|trunk| trunk.name == TRUNK)?.prefix.clone()?;
    Some(OutsideCalls { prefix, carrier: carrier_at(carrier), desks: DESKS.iter().filter_map(desk).collect(), secure })
}

/// Adds the missing objects for `count` robots to the tenant; returns whether any were missing.
pub fn complete(objects: &mut TenantObjects, count: usize) -> bool {
    let mut secrets = runtime::entropy::Strong::seeded_by_system();
    let mut missing = false;
    for (at, (extension, agent)) in robots(count).enumerate() {
        if !objects.dns.iter().any(|dn| dn.number == extension) {
            let kind = phone(&mut secrets, Encryption::Off);
            objects.dns.push(Dn::new(extension.clone(), kind));
            missing = true;
        }
        let place = format!("P{extension}");
        if !objects.places.iter().any(|place| place.dns.contains(&extension)) {
            let dns = vec![extension.clone()];
            objects.places.push(Place { name: place.clone(), dns, location: None, capacity_rule: None });
            missing = true;
        }
        if !objects.people.iter().filter_map(|person| person.agent.as_ref()).any(|known| known.id == agent) {
            objects.people.push(person(at, &extension, agent, place));
            missing = true;
        }
    }
    missing
}

fn person(at: usize, extension: &str, id: String, place: String) -> Person {
    let skill = |skill: &str, level| SkillLevel { skill: skill.to_owned(), level };
    let mut skills = vec![skill("Sales", 5)];
    // As in the example's file: every second agent.
    if at % 2 == 1 {
        skills.extend([skill("Support", 3), skill("English", 1)]);
    }
    Person {
        user_name: format!("robot.{extension}"),
        first_name: "Robot".to_owned(),
        last_name: extension.to_owned(),
        agent: Some(Agent {
            login_code: id.clone(),
            id,
            pin: None,
            default_place: Some(place),
            wrap_up_s: Some(WRAP_UP_S),
            legal_guard_s: None,
            no_answer_action: None,
            skills,
            capacity_rule: None,
        }),
        privileges: vec![Privilege::Agent],
        ..Person::default()
    }
}

/// The robots' own data: phones, agents, skills.
pub fn of(objects: &TenantObjects, count: usize) -> anyhow::Result<Vec<RobotAgent>> {
    let find = |(extension, id): (String, String)| {
        let agent = objects.people.iter().filter_map(|person| person.agent.as_ref()).find(|agent| agent.id == id);
        let dn = objects.dns.iter().find(|dn| dn.number == extension);
        match (agent, dn.map(|dn| &dn.kind)) {
            (Some(agent), Some(DnKind::Extension { password, .. })) => Ok(RobotAgent {
                password: password.reveal().to_owned(),
                skills: agent.skills.iter().map(|level| (level.skill.clone(), level.level)).collect(),
                agent: id,
                extension,
            }),
            _ => {
                anyhow::bail!("the tenant has no agent {id} at a phone {extension}: the demo needs the example tenant")
            }
        }
    };
    robots(count).map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_the_first_ten_and_the_others_are_added_once() {
        let mut objects = crate::demo::example().unwrap();
        assert!(!complete(&mut objects, 10), "the example's file lacks a robot");
        assert!(complete(&mut objects, 12));
        assert!(!complete(&mut objects, 12));
        let robots = of(&objects, 12).unwrap();
        let extensions: Vec<&str> = robots.iter().map(|robot| robot.extension.as_str()).collect();
        assert_eq!((extensions[9], extensions[10], extensions[11]), ("7010", "8001", "8002"));
        assert!(robots.iter().all(|robot| is_robot(&robot.extension) && !robot.password.is_empty()));
        assert!(robots[11].skills.contains_key("Support") && !robots[10].skills.contains_key("Support"));
        assert!(!is_robot("7101") && !is_robot("7201"));
    }

    #[test]
    fn the_trunk_to_the_robots_carrier_follows_the_address_of_the_robots() {
        let mut objects = crate::demo::example().unwrap();
        let [first, moved]: [IpAddr; 2] = [[127, 0, 251, 1].into(), [127, 1, 251, 1].into()];
        assert!(complete_outside(&mut objects, first));
        assert!(!complete_outside(&mut objects, first), "nothing is missing any more");
        assert!(complete_outside(&mut objects, moved));
        let contacts: Vec<&str> = objects.trunks.iter().filter_map(|trunk| trunk.contact.as_deref()).collect();
        assert_eq!(contacts, ["127.1.251.1:10000"]);
        let outside = outside(&objects, moved, None).unwrap();
        assert_eq!((outside.carrier.to_string().as_str(), outside.prefix.as_str()), ("127.1.251.1:10000", "+1558"));
        let desks: Vec<(&str, bool)> = outside.desks.iter().map(|desk| (&*desk.extension, desk.encrypts)).collect();
        assert_eq!(desks, [("8991", false), ("8992", true)]);
        assert!(desks.iter().all(|(desk, _)| is_robot(desk)), "and no agent");
        assert!(robots(1_000).all(|(extension, _)| desks.iter().all(|(desk, _)| *desk != extension)));
    }
}
