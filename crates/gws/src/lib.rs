//! The roles of Web Services and Applications (GWS): the published APIs for desktops of agents and for programs.

mod bayeux_hub_record;
mod bayeux_socket;
mod contact_api;
mod course_api;
mod data_collector_api;
mod directory;
pub mod gws_configuration;
pub mod gws_data_collector;
pub mod gws_interaction;
pub mod gws_provisioning;
pub mod gws_proxy;
pub mod gws_setting;
pub mod gws_statistics;
pub mod gws_voice;
pub mod gws_workspace;
mod interaction_api;
mod kv;
mod object_number;
mod page_origin;
mod replica_choice;
mod session_cookie;
mod sessions;
mod setting_api;
mod stable_hash;
mod statistic_value;
mod tenant_reader;
#[cfg(test)]
mod test_published;
#[cfg(test)]
mod test_records;
mod voice_api;
mod whose_numbers;
