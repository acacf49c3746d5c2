"""AOTInductor: a package of compiled C++, run in a process of its own."""
