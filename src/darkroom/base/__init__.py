"""Foundations that all other packages use.

- ``errors``: exception classes
- ``environment``: environment variables of Darkroom's processes
- ``script``: run a program with one-line errors and exit codes
- ``project``: root, state folder, locks
- ``files``, ``types``, ``pools``: text and JSON files, array types, thread pools
- ``commands``, ``git``: run command-line tools, query git
- ``processes``: identify processes, end with the parent process
- ``backend``, ``hooks``: Keras and TensorFlow, private names of other libraries
- ``wording``: numbers as people write them
- ``code``: digest of the code that a stage depends on
"""
