"""Message templates: what one says and asks for, whether a call fits it, and what the person then reads. Pure.

A template is what its provider keeps under a name, in a language; a call (`core.content.templates`) names one and
says what stands in for its variables. The shape is the Cloud API's, read tolerantly: it is Meta's to extend.
"""

from hailgate.core.templates.check import check_template as check_template
from hailgate.core.templates.definition import APPROVED as APPROVED
from hailgate.core.templates.definition import Button as Button
from hailgate.core.templates.definition import Definition as Definition
from hailgate.core.templates.definition import Face as Face
from hailgate.core.templates.definition import Header as Header
from hailgate.core.templates.definition import TemplateDefinition as TemplateDefinition
from hailgate.core.templates.definition import parse_definition as parse_definition
from hailgate.core.templates.render import Shown as Shown
from hailgate.core.templates.render import fill_call as fill_call
from hailgate.core.templates.render import preview_template as preview_template
from hailgate.core.templates.render import values_of as values_of
from hailgate.core.templates.variables import Variable as Variable
from hailgate.core.templates.variables import fits_a_form as fits_a_form
from hailgate.core.templates.variables import list_variables as list_variables
