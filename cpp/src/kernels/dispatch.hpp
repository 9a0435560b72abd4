// The kernels in use.
#pragma once

#include "kernels/kernels.hpp"

namespace weightfill {

const Kernels& active_kernels();

}  // namespace weightfill
