//! The evaluator: one fused pass of any elementwise expression with any reduction over decoded chunks.
