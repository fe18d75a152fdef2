"""DICOM files as scanners write them, with a patient whose name must appear nowhere."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SECRETS = ("Doe", "Jane", "19610203", "19990909", "MRN4711", "St. Elsewhere", "SN-88123")
"""What the files say of patient, dates, institution and device."""


def write_dicom(path: Path, values: NDArray[Any], **elements: Any) -> FileDataset:
    """Write ``values``, (height, width), (height, width, 3) or of several frames with NumberOfFrames."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    file.PatientName, file.PatientID, file.PatientBirthDate = "Doe^Jane", "MRN4711", "19610203"
    file.StudyDate, file.InstitutionName, file.DeviceSerialNumber = "19990909", "St. Elsewhere", "SN-88123"
    file.Manufacturer, file.ManufacturerModelName, file.StationName = "ACME", "Scan 3", "ROOM2"
    bits = values.dtype.itemsize * 8
    colour = values.ndim == 3 and "NumberOfFrames" not in elements
    frames = values.ndim - 2 - colour
    file.Rows, file.Columns = values.shape[frames : frames + 2]
    file.SamplesPerPixel = 3 if colour else 1
    file.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        file.PlanarConfiguration = 0
    file.BitsAllocated = file.BitsStored = bits
    file.PixelRepresentation = int(values.dtype.kind == "i")
    for name, value in elements.items():
        setattr(file, name, value)
    file.HighBit = file.BitsStored - 1
    file.PixelData = values.tobytes()
    file.save_as(path, enforce_file_format=True)
    return file
