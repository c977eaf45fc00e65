//! What is true of the fabric.
