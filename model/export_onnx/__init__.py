"""An exported network as an ONNX file, for programs without PyTorch (docs/onnx.md); nothing else imports it."""
