"""What the stages of dvc.yaml do with the parts of Darkroom: read files, call, record, write. One module each.

The scripts in ``pipeline/`` check params.yaml first and import these, which are heavy, after that.
"""
