//! What `proto/` promises: each field of each message, each value of each enum, each method.

use protox::prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use protox::prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet, ServiceDescriptorProto,
};

use super::Declarations;

/// The packages that are ours begin so.
const OURS: &str = "trunkline";

/// Reads all that is ours.
pub fn read(set: &FileDescriptorSet, into: &mut Declarations) {
    for file in set.file.iter().filter(|file| file.package().starts_with(OURS)) {
        file.message_type.iter().for_each(|message| read_message(file.package(), message, into));
        file.enum_type.iter().for_each(|values| read_enum(file.package(), values, into));
        file.service.iter().for_each(|service| read_service(file.package(), service, into));
    }
}

fn read_message(scope: &str, message: &DescriptorProto, into: &mut Declarations) {
    let name = format!("{scope}.{}", message.name());
    for field in &message.field {
        let is_deprecated = field.options.as_ref().is_some_and(|options| options.deprecated == Some(true));
        into.add("field", format!("{name} {}", field.number()), form(message, field), is_deprecated);
    }
    let reserved = message.reserved_range.iter().map(|range| (name.clone(), range.start(), range.end()));
    into.reserved.extend(reserved.map(|(name, from, to)| (name, i64::from(from), i64::from(to))));
    message.nested_type.iter().for_each(|nested| read_message(&name, nested, into));
    message.enum_type.iter().for_each(|values| read_enum(&name, values, into));
}

/// Label, type and name of a field.
fn form(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let one_of = field.oneof_index.filter(|_| !field.proto3_optional()).and_then(|at| usize::try_from(at).ok());
    let label = match one_of.and_then(|at| message.oneof_decl.get(at)) {
        Some(one_of) => format!("oneof {} ", one_of.name()),
        None if field.proto3_optional() => "optional ".to_owned(),
        None if field.label() == Label::Repeated => "repeated ".to_owned(),
        None => String::new(),
    };
    let of_field = match field.r#type() {
        Type::Message | Type::Enum | Type::Group => field.type_name().trim_start_matches('.').to_owned(),
        plain => plain.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    };
    format!("{label}{of_field} {}", field.name())
}

fn read_enum(scope: &str, values: &EnumDescriptorProto, into: &mut Declarations) {
    let name = format!("{scope}.{}", values.name());
    for value in &values.value {
        let is_deprecated = value.options.as_ref().is_some_and(|options| options.deprecated == Some(true));
        into.add("value", format!("{name} {}", value.number()), value.name().to_owned(), is_deprecated);
    }
    // The last number of a range of an enum is reserved, too.
    let reserved = values.reserved_range.iter().map(|range| (i64::from(range.start()), i64::from(range.end()) + 1));
    into.reserved.extend(reserved.map(|(from, to)| (name.clone(), from, to)));
}

fn read_service(scope: &str, service: &ServiceDescriptorProto, into: &mut Declarations) {
    for method in &service.method {
        let end = |is_stream: bool, message: &str| {
            let stream = if is_stream { "stream " } else { "" };
            format!("{stream}{}", message.trim_start_matches('.'))
        };
        let asked = end(method.client_streaming(), method.input_type());
        let answered = end(method.server_streaming(), method.output_type());
        let is_deprecated = method.options.as_ref().is_some_and(|options| options.deprecated == Some(true));
        let name = format!("{scope}.{}/{}", service.name(), method.name());
        into.add("rpc", name, format!("{asked} -> {answered}"), is_deprecated);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        syntax = "proto3";
        package trunkline.test;
        service Calls { rpc Follow(Call) returns (stream Call); }
        enum Kind { NONE = 0; reserved 2 to 3; }
        message Call {
          reserved 7;
          string id = 1;
          optional uint64 since_us = 2;
          repeated Kind kinds = 3;
          oneof end { Call other = 4; bytes text = 5 [deprecated = true]; }
        }
    "#;

    #[test]
    fn fields_values_and_methods_are_promised() {
        let folder = std::env::temp_dir().join(format!("trunkline-contract-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("calls.proto"), FILE).expect("a file");
        let compiled = protox::compile([folder.join("calls.proto")], [&folder]);
        std::fs::remove_dir_all(&folder).expect("it goes");
        let mut found = Declarations::default();
        read(&compiled.expect("it compiles"), &mut found);
        let lines: Vec<String> = found
            .lines
            .iter()
            .map(|((what, name), (form, is_deprecated))| format!("{what} {name}: {form} {is_deprecated}"))
            .collect();
        assert_eq!(
            lines,
            [
                "field trunkline.test.Call 1: string id false",
                "field trunkline.test.Call 2: optional uint64 since_us false",
                "field trunkline.test.Call 3: repeated trunkline.test.Kind kinds false",
                "field trunkline.test.Call 4: oneof end trunkline.test.Call other false",
                "field trunkline.test.Call 5: oneof end bytes text true",
                "rpc trunkline.test.Calls/Follow: trunkline.test.Call -> stream trunkline.test.Call false",
                "value trunkline.test.Kind 0: NONE false",
            ]
        );
        let (call, kind) = ("trunkline.test.Call".to_owned(), "trunkline.test.Kind".to_owned());
        assert!(found.is_retired(&("field".to_owned(), format!("{call} 7"))));
        assert!(!found.is_retired(&("field".to_owned(), format!("{call} 8"))));
        assert!(found.is_retired(&("value".to_owned(), format!("{kind} 3"))));
        assert!(!found.is_retired(&("value".to_owned(), format!("{kind} 4"))));
        assert!(found.is_retired(&("field".to_owned(), "trunkline.test.Gone 1".to_owned())));
    }
}
