//! Operations of the Workspace API that are published and not served, each with what is missing for it.

use crate::sessions::unserved::UnservedOperation;

/// What is missing for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// Interaction Server carries it out, as gws-interaction says.
    InteractionServer,
    /// It comes with something else: 503 with these words.
    Later(&'static str),
}

const CAMPAIGNS: &str = "lists of campaigns come with the desktop's own pages";
const FEEDBACK: &str = "feedback comes with the desktop's own pages";
const SECURITY: &str = "tokens of other services come with the desktop's own pages";

/// All of them. Those of chats, contacts and standard responses have routes: services beside GWS carry them out.
#[rustfmt::skip]
pub(super) const OPERATIONS: &[UnservedOperation<Lack>] = &[
    // === media ===
    ("POST", "/media/{mediatype}/interactions/{id}/accept", "accept", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/add-attachment", "addAttachment", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/add-content", "addContent", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/add-document", "addDocument", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/assign-contact/{contactId}", "assignContact", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/attach-user-data", "attachMediaUserData", Lack::InteractionServer),
    ("GET", "/media/{mediatype}/interactions/{id}/attachments/{documentId}", "attachments", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/complete", "complete", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/create", "createOpenMedia", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/delete-user-data", "deleteMediaUserData", Lack::InteractionServer),
    ("POST", "/media/dnd-off", "dndOff", Lack::InteractionServer),
    ("POST", "/media/dnd-on", "dndOn", Lack::InteractionServer),
    ("POST", "/media/logout", "logoutAgentState", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/start-monitoring", "mediaStartMonitoring", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/stop-monitoring", "mediaStopMonitoring", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/switch-to-barge-in", "mediaSwicthToBargeIn", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/switch-to-coach", "mediaSwicthToCoach", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/switch-to-monitor", "mediaSwicthToMonitor", Lack::InteractionServer),
    ("POST", "/media/not-ready", "notReadyAgentState", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/not-ready", "notReadyForMedia", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/place-in-queue", "placeInQueue", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/pull", "pullInteractionFromWorkbin", Lack::InteractionServer),
    ("POST", "/media/ready", "readyAgentState", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/ready", "readyForMedia", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/reject", "reject", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/remove-attachment/{documentId}", "removeAttachment", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/logout", "removeMedia", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/set-comment", "setComment", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/transfer-agent", "transferAgent", Lack::InteractionServer),
    ("POST", "/media/{mediatype}/interactions/{id}/update-user-data", "updateMediaUserData", Lack::InteractionServer),
    ("POST", "/media/activate", "activateMedia", Lack::InteractionServer),
    ("POST", "/media/deactivate", "deactivateMedia", Lack::InteractionServer),
    // === media: e-mail ===
    ("POST", "/media/email/interactions/{id}/accept", "acceptEmail", Lack::InteractionServer),
    ("POST", "/media/email/interactions/{id}/cancel", "cancelEmail", Lack::InteractionServer),
    ("POST", "/media/email/interactions/create", "createEmail", Lack::InteractionServer),
    ("POST", "/media/email/interactions/{id}/forward", "forwardEmail", Lack::InteractionServer),
    ("POST", "/media/email/interactions/{id}/reply", "replyEmail", Lack::InteractionServer),
    ("POST", "/media/email/interactions/{id}/save", "saveEmail", Lack::InteractionServer),
    ("POST", "/media/email/interactions/{id}/send", "sendEmail", Lack::InteractionServer),
    // === media-management ===
    ("POST", "/media-management/interactions/{id}/get-details", "getDetails", Lack::InteractionServer),
    ("POST", "/media-management/get-snapshot", "getSnapshot", Lack::InteractionServer),
    ("POST", "/media-management/{snapshotId}/get-snapshot-content", "getSnapshotContent", Lack::InteractionServer),
    ("POST", "/media-management/cancel", "mgtCancel", Lack::InteractionServer),
    ("POST", "/media-management/complete", "mgtComplete", Lack::InteractionServer),
    ("POST", "/media-management/manage-user-data", "mgtManageUserData", Lack::InteractionServer),
    ("POST", "/media-management/move-to-queue", "mgtMoveToQueue", Lack::InteractionServer),
    ("POST", "/media-management/move-to-workbin", "mgtMoveToWorkbin", Lack::InteractionServer),
    ("POST", "/media-management/{snapshotId}/release-snapshot", "releaseSnapshot", Lack::InteractionServer),
    // === workbins ===
    ("POST", "/workbins/{workbinId}/add-interaction", "addInteractionToWorkbin", Lack::InteractionServer),
    ("POST", "/workbins/interactions/{interactionId}/get-details", "getInteractionDetailsFromWorkbin", Lack::InteractionServer),
    ("POST", "/workbins/{workbinId}/get-content", "getWorkbinContent", Lack::InteractionServer),
    ("POST", "/workbins/get-workbins", "getWorkbins", Lack::InteractionServer),
    ("POST", "/workbins/get-contents", "getWorkbinsContent", Lack::InteractionServer),
    ("POST", "/workbins/{workbinId}/subscribe", "subscribeToWorkbinNotifications", Lack::InteractionServer),
    ("POST", "/workbins/subscribe", "subscribeToWorkbinsNotifications", Lack::InteractionServer),
    ("POST", "/workbins/{workbinId}/unsubscribe", "unsubscribeToWorkbinNotifications", Lack::InteractionServer),
    ("POST", "/workbins/unsubscribe", "unsubscribeToWorkbinsNotifications", Lack::InteractionServer),
    // === what the published desktop asks for beside its library ===
    ("POST", "/users/{dbid}/media/{operation}", "userMediaOperation", Lack::InteractionServer),
    ("POST", "/users/{dbid}/media/{channel}/{operation}", "userMediaChannelOperation", Lack::InteractionServer),
    ("GET", "/voice/campaigns/{name}/configuration", "getCampaignConfiguration", Lack::Later(CAMPAIGNS)),
    ("POST", "/feedback/submit", "submitFeedback", Lack::Later(FEEDBACK)),
    ("GET", "/security/pure-cloud-token", "getPureCloudToken", Lack::Later(SECURITY)),
    ("GET", "/security/exchange-token", "getExchangeToken", Lack::Later(SECURITY)),
];

#[cfg(test)]
mod tests {
    use super::super::{PATH, openapi};
    use super::*;
    use crate::test_published::{NotServed, faults, of_client};

    #[test]
    fn all_that_is_published_is_described_or_listed_here() {
        let words = |lack: Lack| match lack {
            Lack::InteractionServer => "interaction-server:",
            Lack::Later(when) => when,
        };
        let listed: Vec<NotServed> =
            OPERATIONS.iter().map(|(method, path, name, lack)| (*method, *path, *name, words(*lack))).collect();
        let faults = faults("workspace", PATH, &openapi::openapi(), &listed);
        assert!(faults.is_empty(), "{faults:#?}");
        assert_eq!(of_client("workspace"), 174);
    }
}
