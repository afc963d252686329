//! The same facts and requests on the wire: generated gRPC and event records, REST types.
