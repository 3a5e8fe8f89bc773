#!/usr/bin/env python3
# -*- coding: utf-8 -*-
"""Starts EagleChat 鹰聊 from nothing but Python: ``python launcher.py --help``.

Only the standard library, and in this file only syntax that old Pythons can read, so
that they can say what is wrong. Everything else is in ``chatapp/launch``.
"""

import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "EagleChat needs Python 3.11 or newer; this is Python %d.%d. "
        "Start it with a newer one, such as: python3.12 launcher.py\n"
        "鹰聊需要 Python 3.11 或更新版本，当前是 %d.%d。"
        "请换用更新的 Python 启动，例如：python3.12 launcher.py\n"
        % (sys.version_info[:2] + sys.version_info[:2])
    )
    sys.exit(1)

if __name__ == "__main__":
    from chatapp.launch.start import main

    main(sys.argv[1:])
