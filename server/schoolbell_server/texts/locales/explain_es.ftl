# Español. Lo que se lee en voz alta: por qué se avisó a alguien de un cambio, o por qué no.
# El mensaje de una regla vale si se cumplió; `.idle`, si no había nada que juzgar.
# `.detailed` de un motivo se usa cuando se conocen los datos que nombra.

summary-told = { $devices ->
    [0] Se le puede avisar, pero no participa ningún dispositivo.
    [one] Se avisó en un dispositivo.
   *[other] Se avisó en { $devices } dispositivos.
}
summary-refused = No se avisó. { $why }
failed = No se cumplió esta regla.

gate-district-enabled = Las notificaciones están activadas en el distrito.
    .idle = No se preguntó si las notificaciones están activadas.
gate-kind-licensed = El distrito tiene licencia para este tipo de cambio.
    .idle = No se preguntó por la licencia del distrito.
gate-timely = El cambio llegó a tiempo para avisar.
    .idle = No se preguntó por la antigüedad del cambio.
gate-active-year = El calendario pertenece al año escolar activo.
    .idle = El cambio no nombra ningún calendario; no hay año escolar que comprobar.
gate-calendar-enabled = El calendario y su periodo lectivo están habilitados.
    .idle = El cambio no nombra ningún calendario que pueda estar habilitado.
gate-tool-shown = Las opciones de visualización del calendario muestran este tipo en la aplicación.
    .idle = No hay opciones de visualización que comprobar.
gate-enrolled = El estudiante está inscrito en el calendario y la inscripción es visible.
    .idle = No se preguntó por la inscripción del estudiante.
gate-related = Esta persona puede ver al estudiante.
    .idle = No se preguntó quién puede ver al estudiante.
gate-account = La cuenta está habilitada y tiene un dispositivo.
    .idle = No se preguntó por la cuenta.
gate-device-usable = El dispositivo tiene la aplicación correcta en una plataforma compatible.
    .idle = No se preguntó por el dispositivo.
gate-stays-logged-in = El usuario eligió mantener la sesión iniciada en el dispositivo.
    .idle = No se preguntó si el usuario mantiene la sesión iniciada.
gate-subscribed = Hay una suscripción a este tipo para el estudiante y el dispositivo no está silenciado.
    .idle = No se preguntó por la suscripción.
gate-condition = El cambio cumple la condición de la suscripción.
    .idle = No hay suscripción cuya condición pueda cumplirse.
gate-value-changed = El cambio trae un valor nuevo, o viene de otra parte.
    .idle = No se preguntó si el valor cambió.
gate-not-already-told = No se había avisado antes de este valor.
    .idle = No se preguntó si ya se había avisado del valor.
gate-newest = No se conoce nada más reciente.
    .idle = No se preguntó si se conoce algo más reciente.

reason-district-disabled = Las notificaciones están desactivadas en el distrito.
reason-kind-not-licensed = El distrito no tiene licencia para este tipo de cambio.
reason-historical = El cambio se publicó como histórico: se registra, pero no se avisa.
reason-too-late = El cambio llegó demasiado tarde para avisar.
reason-no-active-year = El distrito no tiene ningún año escolar activo.
reason-calendar-not-in-active-year = El calendario no pertenece al año escolar activo.
    .detailed = El calendario pertenece al año escolar que termina en { $school_year }, pero el activo termina en { $active_school_year }.
reason-calendar-disabled = El calendario no está habilitado en las opciones de visualización.
reason-term-disabled = El periodo lectivo no está habilitado en las opciones de visualización.
reason-no-term = Ningún periodo lectivo del calendario incluye la fecha del cambio.
reason-tool-hidden = Las opciones de visualización no muestran este tipo en la aplicación.
reason-not-enrolled = El estudiante no está inscrito en el calendario.
    .detailed = El estudiante no está inscrito en el calendario el { $judged_date }.
reason-enrollment-ended = La inscripción del estudiante en el calendario ha terminado.
    .detailed = La inscripción del estudiante en el calendario terminó antes del { $judged_date }.
reason-enrollment-not-visible = La inscripción del estudiante está oculta en el portal.
reason-student-inactive = El estudiante ya no figura en el registro escolar.
reason-no-relationship = Esta persona no tiene relación con el estudiante.
reason-portal-off = La relación con el estudiante no tiene marcada la casilla del portal.
reason-barred = Esta persona tiene prohibido ver los datos del estudiante.
    .detailed = { $bar_origin ->
        [district] El distrito prohíbe a esta persona ver los datos del estudiante.
       *[source] Una fuente del registro escolar prohíbe a esta persona ver los datos del estudiante.
    }
reason-relationship-ended = La relación con el estudiante ha terminado.
reason-relationship-not-started = La relación con el estudiante aún no ha comenzado.
reason-adult-student = El estudiante tiene 18 años y no ha aceptado que se avise a esta persona.
reason-account-disabled = La cuenta está deshabilitada.
reason-no-device = Nunca se registró un dispositivo para la cuenta.
reason-wrong-app = La aplicación del dispositivo no es la de esta persona: estudiantes y padres tienen cada uno la suya.
reason-app-unknown = La aplicación del dispositivo no es una de las del distrito.
reason-platform-too-old = El sistema del dispositivo es más antiguo de lo que admite el distrito.
    .detailed = El sistema del dispositivo es la versión { $os_version }, pero el distrito admite desde la { $minimum_os_version }.
reason-app-too-old = La aplicación del dispositivo es más antigua de lo que admite el distrito.
    .detailed = La aplicación del dispositivo es la versión { $app_version }, pero el distrito admite desde la { $minimum_app_version }.
reason-device-retired = El dispositivo ya no está registrado.
reason-not-staying-logged-in = El usuario no eligió mantener la sesión iniciada en el dispositivo.
reason-not-subscribed = Ni la persona ni el dispositivo están suscritos a este tipo para el estudiante.
reason-device-muted = El usuario silenció el dispositivo.
reason-action-not-chosen = El usuario no eligió que se le avise de esta acción sobre las tareas.
reason-status-not-chosen = El usuario no eligió que se le avise de este estado de asistencia.
reason-excuse-not-chosen = El usuario no eligió que se le avise de registros con esta justificación.
reason-not-below-limit = El valor no está por debajo del límite que eligió el usuario.
    .detailed = El valor, { $number }, no está por debajo de { $below }, el límite que eligió el usuario.
reason-not-crossing = El valor ya estaba por debajo del límite que eligió el usuario.
    .detailed = El valor ya estaba por debajo de { $below }, el límite del usuario: era { $known_number }.
reason-no-number = El usuario eligió un límite, pero el cambio no trae ningún número que comparar.
reason-unchanged = El valor es el mismo que antes.
reason-already-told = El mismo valor ya se conocía de otra fuente o sección.
reason-older-than-known = Ya se conoce algo más reciente.

# De un cambio que podría publicarse.
would-be-told = { $devices ->
    [0] Se le podría avisar, pero no participa ningún dispositivo.
    [one] Se avisaría en un dispositivo.
   *[other] Se avisaría en { $devices } dispositivos.
}
would-be-refused = No se avisaría. { $why }
would-be-refused-there = { $devices ->
    [one] No se avisaría en un dispositivo. { $why }
   *[other] No se avisaría en { $devices } dispositivos. { $why }
}
summary-meant = { $devices ->
    [one] Se iba a avisar en un dispositivo.
   *[other] Se iba a avisar en { $devices } dispositivos.
}
summary-refused-there = { $devices ->
    [one] No se avisó en un dispositivo. { $why }
   *[other] No se avisó en { $devices } dispositivos. { $why }
}

# Lo que se registró entonces y lo que vale ahora se llaman siempre así.
then = Entonces: { $said }
now = Ahora: { $said }
still-open = Nada en el registro escolar ni en la configuración de hoy lo impediría.
still-open-there = { $devices ->
    [one] Nada en el registro escolar ni en la configuración de hoy lo impediría en un dispositivo.
   *[other] Nada en el registro escolar ni en la configuración de hoy lo impediría en { $devices } dispositivos.
}
undecided = No se decidió nada sobre esta persona.


whole-told = Aceptado el { $time }. { $people ->
    [0] No se avisó a nadie.
    [one] Se avisó a una persona.
   *[other] Se avisó a { $people } personas.
}
whole-unreached = { $people ->
    [one] Se iba a avisar a una persona, pero no consta que ningún proveedor lo aceptara.
   *[other] Se iba a avisar a { $people } personas, pero no consta que ningún proveedor lo aceptara.
}
whole-refused = Aceptado el { $time }. No se avisó a nadie. { $why }
whole-would-be-told = Si se publicara ahora, { $people ->
    [0] no se avisaría a nadie.
    [one] se avisaría a una persona.
   *[other] se avisaría a { $people } personas.
}
whole-would-be-refused = Si se publicara ahora, no se avisaría a nadie. { $why }

delivery-gone = Ya no se conserva lo que ocurrió con él.
delivery-pending = Espera a ser enviado.
delivery-held = Se retiene un rato antes de enviarlo.
delivery-sending = Se está enviando.
delivery-accepted = El proveedor lo aceptó.
delivery-displayed = El teléfono lo mostró.
delivery-opened = Se abrió en el teléfono.
delivery-rejected = El proveedor lo rechazó definitivamente.
delivery-failed = Todos los intentos de enviarlo fallaron.
delivery-uncertain = Se perdió la respuesta del proveedor: puede que el teléfono lo mostrara.
delivery-expired = Su plazo venció antes de poder enviarlo.
delivery-cancelled = Se canceló antes de enviarlo.
    .gate = Se detuvo antes de enviarlo. { $why }
    .superseded = Un valor más reciente ocupó su lugar antes de enviarlo.
    .person = Una persona lo canceló antes de enviarlo.
    .user-changed = Otra persona inició sesión en el dispositivo antes de enviarlo.
