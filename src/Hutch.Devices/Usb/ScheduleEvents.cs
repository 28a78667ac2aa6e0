using System;

namespace Hutch.Devices.Usb;

/// <summary>What happened while a schedule of transfers was gone through.</summary>
[Flags]
internal enum ScheduleEvents
{
    /// <summary>Nothing: whoever was asked was not ready.</summary>
    None = 0,

    /// <summary>A transfer ended or came nearer to its end.</summary>
    Progress = 1,

    /// <summary>One ended that is to be told of.</summary>
    Complete = 2,

    /// <summary>One ended with fewer bytes than there was room for.</summary>
    Short = 4,

    /// <summary>One ended badly.</summary>
    Error = 8,

    /// <summary>What the guest points at is not memory.</summary>
    SystemError = 16,

    /// <summary>What the guest asks for cannot be.</summary>
    ProcessError = 32,

    /// <summary>The controller halts.</summary>
    Fatal = SystemError | ProcessError,
}
