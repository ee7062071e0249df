//! Zarr v2 and v3 over local files and object stores: bytes in, decoded chunks out.
