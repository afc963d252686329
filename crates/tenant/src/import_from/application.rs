//! The application of a queue that comes from elsewhere: music until the agent who has been ready longest takes the call.

/// The application, with names in braces in the places of what differs.
const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!--
  Made by `trunkline tenant import-from`: the agent who has been ready longest among those of the queue; music until then.
  docs/applications.md explains every element.
-->
<scxml version="1.0" initial="begin" datamodel="ecmascript"
       xmlns="http://www.w3.org/2005/07/scxml"
       xmlns:dialog="urn:trunkline:dialog"
       xmlns:queue="urn:trunkline:queue"
       xmlns:ixn="urn:trunkline:interaction">

  <datamodel>
    <data id="request"/>
  </datamodel>

  <state id="begin">
    <transition event="interaction.present" target="waiting"/>
  </state>

  <state id="waiting">
    <onentry>
      <queue:submit requestid="request" queue="{queue}"{timeout}>
        <queue:targets>
          <queue:target type="'agentgroup'" skillexpr="'{skill} &gt;= 1'"/>
        </queue:targets>
        <dialog:runtreatments>
          <dialog:playsound type="'music'" resource="'music'" duration="30"/>
          <dialog:play prompts="['all-busy']"/>
        </dialog:runtreatments>
      </queue:submit>
    </onentry>

    <transition event="queue.submit.done" cond="_event.data.requestid == request" target="done"/>

    <!-- Nobody has taken the call in time. -->
    <transition event="error.queue.submit" cond="_event.data.error == 'timeout'" target="goodbye"/>

    <!-- The queue is out of order: wait a little and try again. -->
    <transition event="error.queue.submit" target="again"/>
    <transition event="error.queue error.dialog"/>
  </state>

  <state id="again">
    <onentry>
      <dialog:playsound type="'music'" resource="'music'" duration="5"/>
      <send event="retry" delay="5s"/>
    </onentry>
    <transition event="retry" target="waiting"/>
    <transition event="dialog error.dialog"/>
  </state>

  <state id="goodbye">
    <onentry>
      <ixn:terminate/>
    </onentry>
    <transition event="interaction.terminate.done error.interaction.terminate" target="done"/>
    <transition event="dialog error.dialog"/>
  </state>

  <final id="done"/>
</scxml>
"#;

/// The document for a virtual queue and a skill, which must be a name of a skill expression; a caller waits at most so many seconds.
pub(super) fn document(queue: &str, skill: &str, most_s: Option<u32>) -> String {
    // An ECMAScript text within an attribute of XML.
    let literal = serde_json::Value::from(queue).to_string();
    let timeout = most_s.map(|most| format!(" timeout=\"{most}\"")).unwrap_or_default();
    DOCUMENT
        .replace("{timeout}", &timeout)
        .replace("{skill}", skill)
        .replace("{queue}", &quick_xml::escape::escape(literal.as_str()))
}
