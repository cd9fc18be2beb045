// The language of MQL for translated programs: what both dialects have. A translated file includes this first, then mql5.hpp or
// mql4.hpp. No header of the operating system is included here, so that its names cannot meet the program's.
#pragma once
#pragma GCC system_header

#include "mql_core.hpp"
#include "mql_string.hpp"
#include "mql_array.hpp"
#include "mql_convert.hpp"
#include "mql_math.hpp"
#include "mql_file.hpp"
#include "mql_system.hpp"
#include "mql_chart.hpp"
#include "mql_dll.hpp"
#include "mql_program.hpp"
