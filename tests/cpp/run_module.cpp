// Runs a saved TorchScript module on saved inputs and saves what it answers: a server in forty lines.
// Inputs and answers travel as the buffers of a module, the one container that Python and C++ both read.
#include <torch/script.h>

#include <iostream>
#include <string>
#include <vector>

int main(int count, char **arguments) {
  if (count != 4) {
    std::cerr << "usage: run_module MODEL INPUTS ANSWERS\n";
    return 2;
  }
  torch::NoGradGuard no_grad;
  torch::jit::Module module = torch::jit::load(arguments[1]);
  std::vector<torch::jit::IValue> inputs;
  for (const at::Tensor &tensor : torch::jit::load(arguments[2]).buffers(/*recurse=*/false)) {
    inputs.emplace_back(tensor);
  }
  const torch::jit::IValue answer = module.forward(inputs);
  torch::jit::Module answers("answers");
  int index = 0;
  for (const torch::jit::IValue &element :
       answer.isTensor() ? std::vector<torch::jit::IValue>{answer} : answer.toTupleRef().elements().vec()) {
    answers.register_buffer("tensor_" + std::to_string(index++), element.toTensor());
  }
  answers.save(arguments[3]);
  return 0;
}
