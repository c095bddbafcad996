#include <exception>

#include "check.hpp"

int main() {
    using namespace mlkit::testing;
    for (const Case& test : cases()) {
        std::cout << test.sentence << std::endl;
        try {
            test.run();
        } catch (const std::exception& error) {
            ++failures();
            std::cerr << test.sentence << ": unexpected exception: " << error.what() << '\n';
        }
    }
    if (cases().empty()) std::cerr << "no tests\n";
    std::cout << cases().size() << " tests, " << failures() << " failed checks" << std::endl;
    return failures() == 0 && !cases().empty() ? 0 : 1;
}
