"""`make openapi`: write the OpenAPI document that the app serves."""

import os

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    from project.openapi.document import FILE, make_document, to_text

    FILE.write_text(to_text(make_document()), encoding="utf-8")
