"""A model that a server runs: TensorFlow Serving's REST, or the Open Inference Protocol of Triton, KServe and MLServer.

options     where the model is, and what a guest is allowed
transport   one request after another: counted, tried again where nobody was there, never to another host
datatypes   what tensors are called on the wire, and which of ours can become which
signature   our inputs and outputs beside the server's: by name, else by order
tensorflow_serving, open_inference    what each protocol asks, and how it writes tensors
diagnosis   what an answer that is wrong at once looks like
backend     the backend and its artifact
"""
