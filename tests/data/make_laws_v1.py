"""Write laws_v1.txt, once: the laws that came after stream_v1.txt, in ranges as there.

Every line is compared with the definition of its law before it is written.
"""

from pathlib import Path

import make_stream_v1

TARGET = Path(__file__).parent / "laws_v1.txt"
LAWS = [
    "laplace(0,1)",
    "laplace(0,0.02)",
    "laplace(-0.5,0.1)",
    "log_uniform(0.001,0.1,0)",
    "log_uniform(1e-06,400,0)",
    "log_uniform(0.001,0.1,1)",
    "log_uniform(0.01,16,1)",
]

if __name__ == "__main__":
    make_stream_v1.LAWS, make_stream_v1.TARGET = LAWS, TARGET
    make_stream_v1.main()
