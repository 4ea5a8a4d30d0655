"""Names that become part of a path: ``as``, ``names``, and a stage's ``name``.

A path is the name of a parameter, of a PyTorch module and of a tensor in a file, so its
grammar is one for all of them and is checked once, here:

    path       = ["/"] [component {"." component}]
    component  = 1 to 200 letters, digits, "_" and "-", of any script

in the composed form (NFKC) that Python gives to names, and none of the words that
Python or ``torch.nn.Module`` keep for themselves.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from keyword import iskeyword
from typing import Final

from resgen.errors import Place

#: What may be written instead.
HINT: Final = (
    'it takes letters, digits, "_" and "-", joined by single dots ("block.conv1")'
)
MAX_COMPONENT: Final = 200

_COMPONENT: Final = re.compile(r"[\w-]+")
#: What a ``torch.fx.GraphModule`` has by these names; a test compares with torch.
_WORDS: Final = """
T_destination add_module add_submodule apply bfloat16 buffers call_super_init
children code compile cpu cuda delete_all_unused_submodules delete_submodule double
dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter
get_submodule graph half hpu ipu load_state_dict meta modules mtia named_buffers
named_children named_modules named_parameters own_numbers parameters
print_readable recompile register_backward_hook register_buffer register_forward_hook
register_forward_pre_hook register_full_backward_hook
register_full_backward_pre_hook register_load_state_dict_post_hook
register_load_state_dict_pre_hook register_module register_parameter
register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
set_extra_state set_submodule shape_env share_memory state_dict to to_empty
to_folder train training type xpu zero_grad
_apply _backward_hooks _backward_pre_hooks _become _boxed_call _buffers _call_impl
_code _compiled_call_impl _create_node_hooks _deepcopy_hooks _deepcopy_init
_erase_node_hooks _forward_hooks _forward_hooks_always_called
_forward_hooks_with_kwargs _forward_pre_hooks _forward_pre_hooks_with_kwargs
_get_backward_hooks _get_backward_pre_hooks _get_name _graph _graphs
_is_full_backward_hook _lineno_map _load_from_state_dict
_load_state_dict_post_hooks _load_state_dict_pre_hooks
_maybe_warn_non_full_backward_hook _modules _named_members
_non_persistent_buffers_set _parameters _prologue_start _recompile_submodules
_register_create_node_hook _register_deepcopy_hook _register_erase_node_hook
_register_load_state_dict_pre_hook _register_replace_node_hook
_register_state_dict_hook _replace_hooks _replicate_for_data_parallel
_save_to_state_dict _set_replace_hook _slow_forward _state _state_dict_hooks
_state_dict_pre_hooks _tracer_cls _tracer_extras _trained_graph
_unregister_create_node_hook _unregister_deepcopy_hook _unregister_erase_node_hook
_unregister_replace_node_hook _version _wrapped_call _wrapped_call_impl
"""
_OF_TORCH: Final = frozenset(_WORDS.split())


@lru_cache(maxsize=4096)
def fault(path: str) -> str | None:
    """Why ``path`` is none, in words that follow it; None if it is one.

    >>> fault("layer1.0.conv")
    >>> fault("a..b")
    'has an empty component'
    """
    path = path.removeprefix("/")
    if not path:
        return None
    for component in path.split("."):
        found = _fault(component)
        if found is not None:
            return found
    return None


def refused(path: str, why: str, place: Place) -> tuple[str, str, Place, str]:
    """Code, message, place and hint of a path that is none."""
    return "RG033", f'"{path}" cannot name a part of the network: it {why}', place, HINT


def _fault(component: str) -> str | None:
    if not component:
        return "has an empty component"
    if len(component) > MAX_COMPONENT:
        return f"has a component of more than {MAX_COMPONENT} characters"
    if _COMPONENT.fullmatch(component) is None:
        odd = next(c for c in component if _COMPONENT.fullmatch(c) is None)
        shown = f'"{odd}"' if odd.isprintable() else f"the character U+{ord(odd):04X}"
        return f"holds {shown}"
    if unicodedata.normalize("NFKC", component) != component:
        return f'holds "{component}", which Python would write in another way'
    if component.startswith("__") or component in _OF_TORCH:
        return f'holds "{component}", which PyTorch keeps for itself'
    if iskeyword(component):
        return f'holds "{component}", which Python keeps for itself'
    return None
