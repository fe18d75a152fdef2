"""Names that try to be something other than text."""

from typing import Any

SCRIPT = "<script>document.title='taken over'</script>"
TITLE = f"""{SCRIPT}"><img src=x onerror="document.title='taken over'"> & 'quoted'"""
CLASSES = ["</script><b>bold</b>", "良性 <i>قسيم</i>", "x" * 300]

HOSTILE: dict[str, Any] = {
    "title": TITLE,
    "modality": "</dd><h1>shouting</h1>",
    "classes": CLASSES,
    "labels": {"printed": {"positive": CLASSES[1:], "evidence": "{{ 7 * 7 }} {% raw %} ${alert(1)}"}},
    "licence": "javascript:alert(1)",
    "homepage": "javascript:document.title='taken over'",
    "citation": "<!-- a comment --> <svg onload=alert(1)>",
    "notes": "line one\nline two <style>body { display: none }</style>",
}
"""Keys of a definition."""
