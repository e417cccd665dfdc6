//! Reading JSON strictly: byte-order marks, lone surrogates, duplicate keys, numbers out of range and deep nesting are refused.
