using System;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>A back end cannot be used. The message is the part of a sentence that follows "the back end".</summary>
internal sealed class VhostUserException(string message) : Exception(message);
