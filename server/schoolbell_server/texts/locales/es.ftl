# Español. Cada mensaje tiene las formas generic (sin nombres ni valores), student y parent.

test =
    .generic-title = Schoolbell
    .generic-body = Esto es una prueba. Las notificaciones llegan a este teléfono.

assignment-assigned =
    .generic-title = Nueva tarea
    .generic-body = Se asignó una nueva tarea.
    .student-title = Nueva tarea en { $course }
    .student-body = { $title }
    .parent-title = { $student }: nueva tarea en { $course }
    .parent-body = { $title }
assignment-scored =
    .generic-title = Nueva puntuación
    .generic-body = Se calificó una tarea.
    .student-title = Nueva puntuación en { $course }
    .student-body = { $title }: { NUMBER($percent, maximumFractionDigits: 2) }%
    .parent-title = { $student }: nueva puntuación en { $course }
    .parent-body = { $title }: { NUMBER($percent, maximumFractionDigits: 2) }%
assignment-scored-points =
    .generic-title = Nueva puntuación
    .generic-body = Se calificó una tarea.
    .student-title = Nueva puntuación en { $course }
    .student-body = { $title }: { NUMBER($points, maximumFractionDigits: 2) } puntos
    .parent-title = { $student }: nueva puntuación en { $course }
    .parent-body = { $title }: { NUMBER($points, maximumFractionDigits: 2) } puntos
assignment-missing =
    .generic-title = Tarea no entregada
    .generic-body = No se entregó una tarea.
    .student-title = Tarea no entregada en { $course }
    .student-body = No se entregó: { $title }.
    .parent-title = { $student }: tarea no entregada en { $course }
    .parent-body = No se entregó: { $title }.
assignment-due-date-moved =
    .generic-title = Nueva fecha de entrega
    .generic-body = Una tarea tiene otra fecha de entrega.
    .student-title = Nueva fecha de entrega en { $course }
    .student-body = { $title } se entrega ahora el { $date }.
    .parent-title = { $student }: nueva fecha de entrega en { $course }
    .parent-body = { $title } se entrega ahora el { $date }.
assignment-withdrawn =
    .generic-title = Tarea retirada
    .generic-body = Se retiró una tarea.
    .student-title = Tarea retirada en { $course }
    .student-body = { $title }
    .parent-title = { $student }: tarea retirada en { $course }
    .parent-body = { $title }

grade-posted =
    .generic-title = Nueva calificación publicada
    .generic-body = Se publicó una calificación.
    .student-title = Nueva calificación en { $course }
    .student-body = { $task }: { NUMBER($percent, maximumFractionDigits: 2) }%
    .parent-title = { $student }: nueva calificación en { $course }
    .parent-body = { $task }: { NUMBER($percent, maximumFractionDigits: 2) }%
grade-posted-mark =
    .generic-title = Nueva calificación publicada
    .generic-body = Se publicó una calificación.
    .student-title = Nueva calificación en { $course }
    .student-body = { $task }: { $mark }
    .parent-title = { $student }: nueva calificación en { $course }
    .parent-body = { $task }: { $mark }
grade-removed =
    .generic-title = Calificación eliminada
    .generic-body = Se eliminó una calificación.
    .student-title = Calificación eliminada en { $course }
    .student-body = { $task }
    .parent-title = { $student }: calificación eliminada en { $course }
    .parent-body = { $task }

attendance-absent =
    .generic-title = Asistencia
    .generic-body = Se registró una ausencia.
    .student-title = Ausencia registrada
    .student-body = { $when ->
        [period] Periodo { $period }, { $date }
       *[day] { $date }
    }
    .parent-title = Se registró la ausencia de { $student }
    .parent-body = { $when ->
        [period] Periodo { $period }, { $date }
       *[day] { $date }
    }
attendance-tardy =
    .generic-title = Asistencia
    .generic-body = Se registró una llegada tarde.
    .student-title = Llegada tarde registrada
    .student-body = { $when ->
        [period] Periodo { $period }, { $date }
       *[day] { $date }
    }
    .parent-title = { $student } llegó tarde
    .parent-body = { $when ->
        [period] Periodo { $period }, { $date }
       *[day] { $date }
    }
attendance-early-leave =
    .generic-title = Asistencia
    .generic-body = Se registró una salida anticipada.
    .student-title = Salida anticipada registrada
    .student-body = { $when ->
        [period] Periodo { $period }, { $date }
       *[day] { $date }
    }
    .parent-title = { $student } salió antes de hora
    .parent-body = { $when ->
        [period] Periodo { $period }, { $date }
       *[day] { $date }
    }
attendance-present =
    .generic-title = Asistencia
    .generic-body = Se registró la asistencia.
    .student-title = Asistencia registrada
    .student-body = { $when ->
        [period] Periodo { $period }, { $date }
       *[day] { $date }
    }
    .parent-title = { $student } figura como presente
    .parent-body = { $when ->
        [period] Periodo { $period }, { $date }
       *[day] { $date }
    }
attendance-cleared =
    .generic-title = Asistencia
    .generic-body = Se retiró un registro de asistencia.
    .student-title = Registro de asistencia retirado
    .student-body = { $when ->
        [period] Periodo { $period }, { $date }
       *[day] { $date }
    }
    .parent-title = { $student }: registro de asistencia retirado
    .parent-body = { $when ->
        [period] Periodo { $period }, { $date }
       *[day] { $date }
    }
attendance-corrected =
    .generic-title = Asistencia corregida
    .generic-body = Se corrigió un registro de asistencia.
    .student-title = Asistencia corregida
    .student-body = { $when ->
        [period] Periodo { $period }, { $date }: ya no figuras como ausente.
       *[day] { $date }: ya no figuras como ausente.
    }
    .parent-title = { $student }: asistencia corregida
    .parent-body = { $when ->
        [period] Periodo { $period }, { $date }: ya no figura como ausente.
       *[day] { $date }: ya no figura como ausente.
    }

lunch-balance =
    .generic-title = Cuenta del comedor
    .generic-body = Cambió el saldo de una cuenta del comedor.
    .student-title = Cuenta del comedor
    .student-body = Tu saldo es de { $balance }.
    .parent-title = { $student }: cuenta del comedor
    .parent-body = El saldo es de { $balance }.

schedule-added =
    .generic-title = Horario modificado
    .generic-body = Se añadió una sesión.
    .student-title = Sesión añadida
    .student-body = { $known-place ->
        [yes] { $offering }, { $place }: { $date }, periodo { $period }
       *[no] { $offering }: { $date }, periodo { $period }
    }
    .parent-title = { $student }: sesión añadida
    .parent-body = { $known-place ->
        [yes] { $offering }, { $place }: { $date }, periodo { $period }
       *[no] { $offering }: { $date }, periodo { $period }
    }
schedule-moved =
    .generic-title = Horario modificado
    .generic-body = Se cambió una sesión.
    .student-title = Sesión cambiada
    .student-body = { $known-place ->
        [yes] { $offering }, { $place }: ahora { $date }, periodo { $period }
       *[no] { $offering }: ahora { $date }, periodo { $period }
    }
    .parent-title = { $student }: sesión cambiada
    .parent-body = { $known-place ->
        [yes] { $offering }, { $place }: ahora { $date }, periodo { $period }
       *[no] { $offering }: ahora { $date }, periodo { $period }
    }
schedule-removed =
    .generic-title = Horario modificado
    .generic-body = Se eliminó una sesión.
    .student-title = Sesión eliminada
    .student-body = { $offering }: { $date }, periodo { $period }
    .parent-title = { $student }: sesión eliminada
    .parent-body = { $offering }: { $date }, periodo { $period }
