// warning 59
const long DAY_US = 24 * 3600 * 1000000; // <-
