"""A model that a server runs: TensorFlow Serving, or the Open Inference Protocol of Triton, KServe and MLServer.

options     where the model is, and what a guest is allowed
transport   one request after another: counted, tried again where nobody was there, never to another host
datatypes   what tensors are called on the wire, and which of ours can become which
signature   our inputs and outputs beside the server's: by name, else by order
protocol    what both protocols offer; tensorflow_serving and open_inference by REST, grpc_protocols by gRPC
messages    the messages of gRPC, described at run time; grpc_channel sends them
diagnosis   what an answer that is wrong at once looks like
backend     the backend and its artifact; checks/ what it alone has
"""
