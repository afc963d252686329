//! The bounds of the message storey. Each protects memory or time from one peer's message.

/// The most bytes of one message, head and body: what fits a UDP datagram; streams get no more, so that a message
/// can always leave by either transport.
pub const MESSAGE_MAX: usize = 65_536;
/// The most bytes of a message's head (start line and headers).
pub const HEAD_MAX: usize = 49_152;
/// The most bytes of one header line with its continuation lines.
pub const LINE_MAX: usize = 16_384;
/// The most header lines of a message: 70 hops with a Via and a Record-Route each, and the rest.
pub const HEADERS_MAX: usize = 256;
/// What a message of the edge leaves of each of these, for what proxies and nodes write into it and into what follows from it:
/// a Via and a Record-Route with their tokens, who sends it and of which tenant, whom it could not reach, Content-Length. One that
/// leaves less would be no message any more when it arrives, and that ends the connection between a proxy and its node.
pub const HEADERS_ROOM: usize = 16;
/// The same in bytes of the head, and of the whole.
pub const HEAD_ROOM: usize = 4_096;
/// The same in bytes of a line: `received` and `rport` of a Via.
pub const LINE_ROOM: usize = 256;
/// What a message must leave of a line and of the head for an answer to it: a tag and Content-Length.
pub const TAG_ROOM: usize = 128;
/// The most elements that are read of one list header, or parameters of one element.
pub const LIST_MAX: usize = 256;
